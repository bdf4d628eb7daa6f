"""Add arms and seeds to a decided run as a Ray job, with the arguments of `raysep prove`.

python -m jobs.prove RUN --arms contaminated,cleaned --seeds 3
"""

from jobs.entry import run

if __name__ == "__main__":
    run("prove")
