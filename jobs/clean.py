"""The whole cleaning as a Ray job, with the arguments of `raysep clean`.

python -m jobs.clean CORPUS --reference REF --out RUN
ray job submit --working-dir . -- python -m jobs.clean s3://… --reference s3://… --out s3://…
"""

from jobs.entry import run

if __name__ == "__main__":
    run("clean")
