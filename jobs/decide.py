"""Decide anew about a scored run as a Ray job, with the arguments of `raysep decide`.

python -m jobs.decide RUN
"""

from jobs.entry import run

if __name__ == "__main__":
    run("decide")
