"""How well attribution foretells what training on a part of the tracks gives, on a tiny benchmark corpus.

    python -m benchmarks.attribution_quality --work runs/attribution-quality --out docs/results --condition label-noise

Makes the corpus in WORK/bench-CONDITION and runs `raysep benchmark attribution` into WORK/run-CONDITION; what is there already
is gone on with. Most of the time goes into the trainings. One process: shards one after another, on one thread.
"""

from __future__ import annotations

import argparse

from benchmarks.results import write
from raysep.commands.benchmark import attribution as stage
from raysep.commands.benchmark.attribution_tables import notes, tables
from raysep.corpus import benchmark, storage
from raysep.rundir import Run

LEFT_OUT = ("bench",)  # a place on the machine it was run on
SMALL = {  # a training takes some seconds
    "network": {"arguments": {"n_fft": 512, "hop": 256}},
    "training": {"segment_seconds": 0.75},
    "scoring": {"segment_seconds": 0.75, "most_segments": 3, "batch": 8, "fisher_segments": 64},
}


def page(result: dict) -> str:
    training, network = result["settings"]["training"], result["settings"]["network"]
    lines = [
        f"Corpus `{result['condition']}`, tiny: {result['tracks']} tracks, {result['stems']} stems. `{network['model']}`, hidden "
        f"{network['hidden']}; {training['steps']} steps of {training['batch']} examples of {training['segment_seconds']:g} s, "
        f"learning rate {training['learning_rate']:g}, eps_root {training['eps_root']:g}. {result['subsets']} random sets of "
        f"tracks of each size, {result['seeds']} trainings on each; attribution of {result['bases']} separators trained on all. "
        "95 % intervals: of LDS and ceiling over sets, of the others over tracks.",
        "",
        *[f"- {line}" for line in notes(result)],
    ]
    for table in tables(result):
        lines += [
            "",
            f"## {table.title}",
            "",
            f"| | {' | '.join(table.columns)} |",
            "|---|" + "---|" * len(table.columns),
        ]
        lines += [f"| {name} | {' | '.join(cells)} |" for name, cells in table.rows]
    seconds = ", ".join(f"{name} {value:.0f}" for name, value in result["seconds"].items())
    lines += ["", "## What the figures are", "", f"Seconds: {seconds}.", ""]
    lines += [f"- `{name}`: {text}." for name, text in result["definitions"].items()]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = stage.QualityRequest("", "")
    parser.add_argument("--work", default="runs/attribution-quality", help="folder of the corpus and the run")
    parser.add_argument("--out", default="docs/results", help="folder of the page and the figures")
    parser.add_argument("--condition", default="label-noise")
    for name in ("subsets", "seeds", "bases", "steps", "hidden", "seed"):
        parser.add_argument(f"--{name}", type=int, default=getattr(default, name))
    parser.add_argument("--eps-root", type=float, default=default.eps_root)
    options = vars(parser.parse_args())
    work, out, condition = options.pop("work"), options.pop("out"), options.pop("condition")
    bench, place = (storage.join(storage.absolute(work), f"{name}-{condition}") for name in ("bench", "run"))
    if not benchmark.note_of(bench):  # written last
        benchmark.make_corpus(bench, "tiny", options["seed"], condition=condition)
    run: Run = stage.quality(stage.QualityRequest(bench, place, workers=1, overrides=SMALL, **options))
    result = {name: value for name, value in run.read_json("attribution.json").items() if name not in LEFT_OUT}
    words = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in options.items())
    command = f"python -m benchmarks.attribution_quality --condition {condition} {words}"
    about = "corpus and trainings from the same seed; one worker of one thread, on a machine that others used too"
    write(
        out,
        f"attribution-{condition}",
        "Attribution and its rivals against retraining",
        command,
        about,
        page(result),
        result,
    )
    print(page(result))


if __name__ == "__main__":
    main()
