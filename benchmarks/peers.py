"""What others would have found in the same corpora: data-cleaning methods of the field beside raysep's own ranking.

    raysep benchmark run --size tiny --condition mixed --out runs/mixed
    pip install cleanlab==2.9.0
    python -m benchmarks.peers runs/mixed --out docs/results

Every method ranks the stems of each label of each draw; AUROC weighed by harm, macro over kinds, and by kind, intervals by draws
of whole songs over all draws of the run.

raysep          the run's own suspicion (`raysep clean`, no setting of its own)
cleanlab        confident learning (Northcutt, Jiang & Chuang 2021, arXiv 1911.00068): `cleanlab.rank.get_label_quality_scores` of
                the instrument probe, the class probabilities of the embedding's densities fitted on the reference
SelfClean       label errors by the distances to the nearest stem of the same and of another label in the corpus itself (Gröger et al.
                2024, arXiv 2305.17048), on the shipped embedding; its audio package is in no registry. Its near duplicates and
                off-topic samples are other questions than these faults put
fadtk           Fréchet Audio Distance of each stem to the reference of its label (the probe `fad`, on the shipped embedding)
small loss      the training loss of the separator (`own-loss`)
SDX'23 filter   what its winners filtered by: the separator's output of a stem against the stem (`self-consistency`)
the paper       unlearning attribution (arXiv 2510.15409)
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.embedders import frames_of
from benchmarks.results import write
from raysep.errors import BadInput
from raysep.evaluation.scores import ScoreDetection
from raysep.probes.stored import likenesses_in
from raysep.report.detection import Judged, judged_stems, pooled_detection
from raysep.rundir import Run

OWN = {"fadtk": "fad", "small loss": "own-loss", "SDX'23 filter": "self-consistency", "the paper": "unlearning"}
EMBEDDER = "aisfx"


def label_quality(like: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """cleanlab's score of each stem's given label, higher = more probably right; NaN where the embedding says nothing.

    Args:
        like: ``(stem, label)``, nats: the mean log density of the stem's frames under each label's reference.
        labels: ``(stem,)``, number of the given label.
    """
    try:
        from cleanlab.rank import get_label_quality_scores
    except ImportError as error:
        raise BadInput(f"cleanlab cannot be imported ({error}): pip install cleanlab==2.9.0") from error
    from scipy.special import softmax

    found = np.full(len(labels), np.nan)
    known = np.isfinite(like).all(axis=1)
    probability = softmax(like[known], axis=1)
    found[known] = get_label_quality_scores(labels[known], probability, method="normalized_margin")
    return found


def nearest_label(vectors: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """SelfClean's score for label errors ``(stem,)``, higher = more probably right: d_other² / (d_same² + d_other²).

    d are the cosine distances to the nearest other stem of the same label, and of any other one.
    """
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    distance = 1 - unit @ unit.T
    np.fill_diagonal(distance, np.inf)
    same = labels[:, None] == labels[None, :]
    own = np.where(same, distance, np.inf).min(axis=1)
    other = np.where(same, np.inf, distance).min(axis=1)
    return other**2 / np.maximum(own**2 + other**2, 1e-24)


def with_peers(run: Run, judged: Judged, corpus: str, cache: Path) -> Judged:
    """The judged stems with a column for each method that is no probe of the run."""
    table = judged.table
    names, columns = likenesses_in(table)[0], list(likenesses_in(table)[1])
    stem_ids, stems = table["stem_id"].to_pylist(), table["stem"].to_pylist()
    given = np.array([names.index(stem) for stem in stems])
    like = np.array(table[next(name for name in columns if "embedding" in name)].to_pylist(), dtype=float)
    frames, _ = frames_of(EMBEDDER, "", corpus, cache, os.cpu_count() or 1)
    vectors = np.array([frames[i].mean(axis=0) if len(frames[i]) else np.zeros(1) for i in stem_ids])
    suspicion = dict(
        zip(*run.read_table("decision.parquet").select(["stem_id", "suspicion"]).to_pydict().values(), strict=True)
    )
    more = {
        "raysep": np.array([-suspicion[i] for i in stem_ids]),
        "cleanlab": label_quality(like, given),
        "SelfClean": nearest_label(vectors, given),
    }
    for name, values in more.items():
        table = table.append_column(name, pa.array(values, pa.float64()))
    for name, probe in OWN.items():
        table = table.append_column(name, table[probe])
    return judged._replace(table=table)


def row(name: str, found: ScoreDetection, kinds: Sequence[str]) -> str:
    weighted = found.weighted.auroc if found.weighted else None
    cells = [f"{each.estimate:.2f} ({each.low:.2f} to {each.high:.2f})" for each in (weighted, found.macro) if each]
    return f"| {name} | {' | '.join([*cells, *(f'{found.by_kind[kind].estimate:.2f}' for kind in kinds)])} |"


def figures(found: ScoreDetection) -> dict[str, Any]:
    weighted = found.weighted.auroc.to_dict() if found.weighted else None
    return {"weighed_by_harm": weighted, "macro": found.macro.to_dict()} | {
        "by_kind": {kind: each.to_dict() for kind, each in found.by_kind.items()}
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("bench", help="finished folder of `raysep benchmark run`")
    parser.add_argument("--out", help="folder for peers-NAME.md and .json; without it the table is printed")
    parser.add_argument("--name", default="peers")
    parser.add_argument("--cache", default="runs/frames", help="where embedded frames are kept")
    given = parser.parse_args(arguments)
    draws = sorted(Path(given.bench).glob("draw-*"))
    if not draws:
        raise BadInput(f"{given.bench}: holds no draw-0/; give a folder of `raysep benchmark run`")
    judged = []
    for draw in draws:
        run, truth = Run(str(draw / "run")), str(draw / "corpus" / "truth.parquet")
        judged.append(with_peers(run, judged_stems(run, truth), str(draw / "corpus" / "train"), Path(given.cache)))
    found = pooled_detection(judged, ["raysep", "cleanlab", "SelfClean", *OWN])
    kinds = sorted(found["raysep"].by_kind)
    head = ["found by", "weighed by harm", "macro", *(f"`{kind}`" for kind in kinds)]
    order = sorted(found, key=lambda name: -found[name].macro.estimate)
    lines = [
        f"| {' | '.join(head)} |",
        "|---|" + "---:|" * (len(head) - 1),
        *(row(name, found[name], kinds) for name in order),
    ]
    methods = (__doc__ or "").partition("\nraysep  ")[2].rstrip()
    page = "\n".join([*lines, "", "```text", f"raysep  {methods}", "```"])
    print("\n".join(lines))
    if given.out:
        about = f"{len(draws)} draw{'s' * (len(draws) > 1)}, {sum(len(each.kind) for each in judged)} scored stems; 95 % intervals over songs"
        write(
            given.out,
            given.name,
            "What others find in the same corpora",
            f"python -m benchmarks.peers {given.bench}",
            about,
            page,
            {n: figures(f) for n, f in found.items()},
        )


if __name__ == "__main__":
    main()
