from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from raysep import config as settings
from raysep.commands.tune import space
from raysep.corpus.manifest import Stem
from raysep.errors import BadInput
from raysep.probes.stored import KEY
from raysep.stages.search import Space
from raysep.training.entry import Entry


def scores(planted: bool = True) -> pa.Table:
    """Ten corpus stems, and as many of the calibration and planted ones: fad tells them, fad-z likewise, own-loss less."""
    rng = np.random.default_rng(0)
    rows = []
    for role in ("corpus", "calibration", *(("planted",) if planted else ())):
        for k in range(10):
            fad = float(rng.normal(-3.0 if role == "planted" else 0.0))
            about = {"stem_id": f"{role}{k}", "stem": ("bass", "drums")[k % 2], "outcome": "scored", "role": role}
            own = float(rng.normal(-1.0 if role == "planted" else 0.0))
            rows.append({**about, "fad": fad, "fad-z": 2 * fad + 1, "own-loss": own, "influence": float(rng.normal())})
    return pa.Table.from_pylist(rows)


def test_the_probes_are_those_that_tell_planted_faults_and_one_of_those_that_rank_alike():
    told = space.told_apart(scores())
    assert told["fad"] == told["fad-z"] > told["own-loss"] > 0.6
    probes, words = space.chosen_probes(scores())
    assert probes[:3] == ("fused", "fad", "own-loss")
    assert "fad-z" not in probes
    assert words == [
        f"probes beside the fusion, by the AUROC of planted faults: fad {told['fad']:.2f}, own-loss {told['own-loss']:.2f}, "
        f"influence {told['influence']:.2f}"
    ]


def test_auroc_within_labels_is_not_moved_by_what_labels_differ_in():
    table = scores()
    moved = [
        v - 100.0 * (label == "bass")
        for v, label in zip(table["fad"].to_pylist(), table["stem"].to_pylist(), strict=True)
    ]
    place = table.column_names.index("fad")
    assert space.told_apart(table.set_column(place, "fad", pa.array(moved)))["fad"] == space.told_apart(table)["fad"]


def test_without_planted_faults_only_the_fusion_is_searched_and_that_is_said():
    probes, words = space.chosen_probes(scores(planted=False))
    assert probes == ("fused",)
    assert "no faults were planted" in words[0]


def test_probes_may_be_named_if_there_are_scores_of_them():
    assert space.named_probes(scores(), ("own-loss", "fused", "own-loss")) == ("own-loss", "fused")
    with pytest.raises(BadInput, match=r"--probe dance: the run has no scores of it .*fused, .*own-loss"):
        space.named_probes(scores(), ("dance",))
    described = scores().replace_schema_metadata({KEY: b'{"probes": {"fad": {"context": "stem", "oriented": false}}}'})
    with pytest.raises(BadInput, match="that have a direction"):
        space.named_probes(described, ("fad",))


@pytest.mark.parametrize(("floor", "last", "count"), [(0.2, 0.8, 16), (0.0, 0.95, 19), (0.99, 0.05, 1)])
def test_the_ratios_go_up_to_what_the_floor_leaves(floor, last, count):
    ratios = space.ratios_of(floor)
    assert (ratios[0], ratios[-1], len(ratios)) == (0.05, last, count)


def test_the_first_trials_are_spread_over_the_ratios_by_the_fusion():
    found = Space(space.ratios_of(0.2), ("fused", "fad"), ("drop", "relabel"))
    first = space.spread(found, 16)
    assert [found.ratios[point["ratio"]] for point in first] == [0.15, 0.35, 0.5, 0.7]
    assert {(point["probe"], point["handling"]) for point in first} == {("fused", "drop")}
    assert len(space.spread(found, 2)) == 2


def stems(count: int) -> list[Stem]:
    return [Stem(f"t{k}/bass", f"t{k}", "bass", "/no.wav", 8000, 1, 8000, "", 0, "") for k in range(count)]


def test_handlings_that_do_not_go_by_the_ratio_or_do_what_another_does_are_left_out_and_told():
    corpus = stems(10)
    few, many = ([Entry(s) for s in corpus[: 10 - n]] for n in (1, 5))
    weighted = [Entry(s, 0.5) for s in corpus]
    moved = [*many, Entry(corpus[-1], label="drums")]
    low = {"drop": few, "weight": weighted, "table": few, "relabel": few}
    high = {"drop": many, "weight": weighted, "table": many, "relabel": moved}
    handlings, told = space.distinct(low, high, 10)
    assert handlings == ("drop", "relabel")
    assert told == [
        "the handling weight is not searched: it uses much the same at every ratio",
        "the handling table is not searched: it does here as drop does",
    ]


def test_a_run_gives_its_space(make_context, make_stems, write_rows):
    context = make_context(decision={"floor": 0.5})
    context.run.open("abc", {"config": settings.to_dict(context.config)})
    corpus = make_stems([f"t{k:02d}" for k in range(12)])
    rows = [
        {"stem_id": s.stem_id, "track": s.track, "stem": s.stem, "outcome": "scored", "role": "corpus", "fad": float(k)}
        for k, s in enumerate(corpus)
    ]
    write_rows(context.run, "stems.parquet", rows)
    found, told = space.space_of(context.run, context.config, corpus, ("fused", "fad"))
    assert found == Space(space.ratios_of(0.5), ("fused", "fad"), ("drop",))
    # Without a P(corrupt), and without evidence of other labels, nothing is weighed or moved.
    assert [line.split(" is not ")[0] for line in told] == [
        f"the handling {name}" for name in ("weight", "relabel", "spare", "auto", "mask", "table")
    ]
