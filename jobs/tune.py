"""Search a scored run by retraining as a Ray job, with the arguments of `raysep tune`.

python -m jobs.tune RUN
"""

from jobs.entry import run

if __name__ == "__main__":
    run("tune")
