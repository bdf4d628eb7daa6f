"""Write the cleaned corpus out as a Ray job, with the arguments of `raysep export`.

python -m jobs.export RUN --to DEST
"""

from jobs.entry import run

if __name__ == "__main__":
    run("export")
