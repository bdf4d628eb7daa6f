"""Tell what the stems of a decided run are worth as a Ray job, with the arguments of `raysep worth`.

python -m jobs.worth RUN
"""

from jobs.entry import run

if __name__ == "__main__":
    run("worth")
