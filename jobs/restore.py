"""Restore stems of a decided run as a Ray job, with the arguments of `raysep restore`.

python -m jobs.restore RUN
"""

from jobs.entry import run

if __name__ == "__main__":
    run("restore")
