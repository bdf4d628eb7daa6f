"""Find weights of a decided run's stems by descent as a Ray job, with the arguments of `raysep descend`.

python -m jobs.descend RUN
"""

from jobs.entry import run

if __name__ == "__main__":
    run("descend")
