"""Measure whether cleaning pays as a Ray job, with the arguments of `raysep benchmark`.

python -m jobs.benchmark run --size small --condition mixed --out OUT
"""

from jobs.entry import run

if __name__ == "__main__":
    run("benchmark")
