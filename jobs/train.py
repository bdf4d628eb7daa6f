"""Train one separator on a manifest as a Ray job, with the arguments of `raysep train`.

python -m jobs.train cleaned.parquet --out RUN
"""

from jobs.entry import run

if __name__ == "__main__":
    run("train")
