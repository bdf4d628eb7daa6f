"""Look at a corpus before anything else as a Ray job, with the arguments of `raysep check`.

python -m jobs.check CORPUS
"""

from jobs.entry import run

if __name__ == "__main__":
    run("check")
