"""Evaluate separators as a Ray job, with the arguments of `raysep evaluate`.

python -m jobs.evaluate RUN TEST --out EVALUATION
"""

from jobs.entry import run

if __name__ == "__main__":
    run("evaluate")
