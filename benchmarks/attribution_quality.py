"""How well attribution foretells what training on half of the tracks gives, on the tiny benchmark corpus.

    python -m benchmarks.attribution_quality --work runs/attribution-quality --out docs/results

Makes the corpus in WORK/bench and runs `raysep benchmark attribution` into WORK/run; what is there already is gone on
with. Most of the time goes into the trainings.
"""

from __future__ import annotations

import argparse

from benchmarks.results import write
from raysep.commands.benchmark import attribution as stage
from raysep.commands.benchmark.attribution_figures import COLUMNS, OTHERS, whole
from raysep.corpus import benchmark, storage
from raysep.rundir import Run

LEFT_OUT = ("bench",)  # a place on the machine it was run on


def page(result: dict) -> str:
    lines = [
        f"{result['subsets']} random halves of {result['tracks']} tracks ({result['stems']} stems, half of them wrong), "
        f"{result['seeds']} trainings of {result['settings']['training']['steps']} steps on each; attribution of two separators "
        "trained on all. 95 % intervals: of LDS and ceiling over halves, of the others over tracks.",
        "",
        f"| | {' | '.join(COLUMNS.values())} |",
        "|---|" + "---|" * len(COLUMNS),
    ]
    for name, row in result["methods"].items():
        lines.append(f"| `{name}` | {' | '.join(whole(row[column]) for column in COLUMNS)} |")
    lines += [f"| {title} | {whole(result[name])} |{' |' * (len(COLUMNS) - 1)}" for name, title in OTHERS.items()]
    lines += ["", f"Split-half reliability of the loss: {whole(result['reliability'])}.", ""]
    lines += [verdict(result), ""]
    lines += [f"- `{name}`: {text}." for name, text in result["definitions"].items()]
    return "\n".join(lines)


def verdict(result: dict) -> str:
    """What the intervals allow to be said, the bad with the good."""
    methods, chance = result["methods"], result["random_scores"]["high"]
    foretell = [name for name, row in methods.items() if row["lds"]["estimate"] > chance and row["lds"]["low"] > 0]
    known = {name: row for name, row in methods.items() if row["lds_random"]["high"] is not None}
    survive = [name for name, row in known.items() if row["against_random"]["low"] > 0]
    learned = [name for name, row in known.items() if row["lds"]["low"] > row["lds_random"]["high"]]
    return (
        f"Above what random scores reach: {', '.join(foretell) or 'none'}. Rankings that random weights do **not** destroy: "
        f"{', '.join(survive) or 'none'}. LDS clearly above that of random weights: {', '.join(learned) or 'none'}."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = stage.QualityRequest("", "")
    parser.add_argument("--work", default="runs/attribution-quality", help="folder of the corpus and the run")
    parser.add_argument("--out", default="docs/results", help="folder of the page and the figures")
    for name in ("subsets", "seeds", "steps", "hidden", "seed"):
        parser.add_argument(f"--{name}", type=int, default=getattr(default, name))
    options = vars(parser.parse_args())
    work, out = options.pop("work"), options.pop("out")
    bench = storage.join(storage.absolute(work), "bench")
    benchmark.make_corpus(bench, "tiny", options["seed"])
    run: Run = stage.quality(stage.QualityRequest(bench, storage.join(storage.absolute(work), "run"), **options))
    result = {name: value for name, value in run.read_json("attribution.json").items() if name not in LEFT_OUT}
    words = " ".join(f"--{name} {value}" for name, value in options.items())
    about = "corpus and trainings from the same seed; one torch thread a training, as many at once as there are cores"
    title = "Attribution against retraining"
    write(
        out,
        "attribution-quality",
        title,
        f"python -m benchmarks.attribution_quality {words}",
        about,
        page(result),
        result,
    )
    print(page(result))


if __name__ == "__main__":
    main()
