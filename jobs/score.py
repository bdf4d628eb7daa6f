"""Score a corpus as a Ray job, with the arguments of `raysep score`.

python -m jobs.score CORPUS --reference REF --out RUN
"""

from jobs.entry import run

if __name__ == "__main__":
    run("score")
