"""Distances to clean audio as a Ray job, with the arguments of `raysep fad`.

python -m jobs.fad CORPUS --reference REF --out DISTANCES
"""

from jobs.entry import run

if __name__ == "__main__":
    run("fad")
