from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from raysep.commands.worth import worker
from raysep.commands.worth.descend import DescendRequest, descended
from raysep.corpus import manifest, storage
from raysep.decision import handling
from raysep.decision.handling.reading import read_decision
from raysep.errors import BadInput, RaysepError
from raysep.rundir import table_bytes

EXCHANGED = ("c1", "c4")
pytestmark = pytest.mark.usefixtures("alone")


def request(run, **changes) -> DescendRequest:
    return DescendRequest(run.root, **{"rounds": 2, "quiet": True, **changes})


def weights_of(run) -> dict[str, float]:
    return {row["stem_id"]: row["weight"] for row in run.read_table("descent.parquet").to_pylist()}


@pytest.fixture
def cheap(monkeypatch):
    """Trainings that take no time: exchanged stems do harm, and the judging half likes their weights to be low, up to a point.

    Gives what the workers were given.
    """
    given: list[worker.ToTrace] = []

    def trace(self, shard, payload, audio):
        given.append(payload)
        bad = np.array([entry.stem.track in EXCHANGED for entry in payload.plan.stems])
        weights = np.array(payload.weights)
        columns = {"stem_id": [entry.stem.stem_id for entry in payload.plan.stems]}
        counts = {"stems": len(bad), "failed": 0}
        if payload.traced:
            columns |= {"all": np.where(bad, 2.0, 1.0), "drawn": np.ones(len(bad))}
            counts |= {"cost": 4.0, "losses": [1.0]}
            counts |= {"gate": {"trusted": True, "words": "trusted"}} if payload.gated else {}
        if payload.judges:
            counts["judged"] = 1.0 + (weights[bad].mean() - 0.5) ** 2
        part = f"descent/part-{shard:05d}.parquet"
        return self.finish("descent", shard, table_bytes(pa.table(columns)), part, counts)

    monkeypatch.setattr(worker.Tracer, "trace", trace)
    return given


@pytest.mark.slow
def test_exchanged_stems_are_drawn_less_often_and_the_judging_half_is_better(decided_run):
    """Real trainings."""
    run = descended(request(decided_run(), rounds=1))
    weights = weights_of(run)
    bad = [w for stem_id, w in weights.items() if stem_id.split("/")[0] in EXCHANGED]
    good = [w for stem_id, w in weights.items() if stem_id.split("/")[0] not in EXCHANGED]
    assert max(bad) < min(good)
    told = run.read_json("descent.json")
    assert told["chosen"] == 1
    assert told["rounds"][1]["db"] > 0
    assert told["rounds"][1]["judged"] < told["rounds"][0]["judged"]
    assert told["gate"]["trusted"]


def test_each_round_has_seeds_of_its_own_and_all_are_judged_by_the_same(decided_run, cheap):
    descended(request(decided_run(), rounds=2, seeds=2))
    traced = [p.plan.recipe.seed for p in cheap if p.traced]
    judged = [p.plan.recipe.seed for p in cheap if p.judges]
    assert len(set(traced)) == len(traced) == 2 * 2  # the last round is only judged
    assert judged == [2000, 2001] * 3
    assert not set(traced) & set(judged)
    assert sum(p.gated for p in cheap) == 1
    tracks = [
        {s.track for s in half.stems} for half in (cheap[0].reference[0], next(p for p in cheap if p.judges).judges)
    ]
    assert not tracks[0] & tracks[1]
    assert len(tracks[0] | tracks[1]) == 4


def test_weights_stay_one_on_average_within_a_label(decided_run, cheap):
    """All stems seem to do harm, by the gradient of ``cheap``: nobody is better off when all are drawn less often."""
    run = descended(request(decided_run(), rounds=2))
    weights = weights_of(run)
    for label in ("vocals", "drums"):
        each = [w for stem_id, w in weights.items() if stem_id.endswith(label)]
        assert np.mean(each) == pytest.approx(1.0)
        assert min(each) < 0.7


def test_the_best_round_is_chosen_and_it_ends_when_it_gets_worse(decided_run, cheap, capsys):
    """Better down to a weight of one half: the first round; the second and third are worse, and the fourth is not tried."""
    run = descended(request(decided_run(), rounds=8, quiet=False))
    told = run.read_json("descent.json")
    assert len(told["rounds"]) == 4
    assert told["chosen"] == 1
    assert max(told["rounds"], key=lambda one: one["db"]) == told["rounds"][1]
    assert told["trainings"] == 4 * (4 + 1) + 2
    output, said = capsys.readouterr()
    assert "8 rounds, about 43 trainings of 16 steps in all" in " ".join(said.split())
    assert f"  raysep decide {run.root} --handling descend --out descended.parquet" in output.splitlines()


def test_when_no_round_is_better_nothing_is_weighted(decided_run, cheap, monkeypatch):
    trace = worker.Tracer.trace

    def harmful(self, shard, payload, audio):
        counts = trace(self, shard, payload, audio)
        if payload.judges:
            counts["judged"] = 1.0 + float(np.abs(np.array(payload.weights) - 1).mean())
            self.finish("descent", shard, b"", f"descent/part-{shard:05d}.parquet", counts)
        return counts

    monkeypatch.setattr(worker.Tracer, "trace", harmful)
    run = descended(request(decided_run(), rounds=2))
    assert set(weights_of(run).values()) == {1.0}
    assert run.read_json("descent.json")["found"][0].startswith("no round is better on the half that judges (-")


@pytest.mark.slow
def test_a_killed_descent_goes_on_and_more_rounds_are_added(decided_run, cheap, alone, monkeypatch):
    run = decided_run()
    trace = worker.Tracer.trace

    def dies(self, shard, payload, audio):
        if shard == 3:  # what judges the second round
            raise MemoryError("no more")
        return trace(self, shard, payload, audio)

    with monkeypatch.context() as patch:
        patch.setattr(worker.Tracer, "trace", dies)
        with pytest.raises(RaysepError, match=r"descent failed .*MemoryError: no more"):
            descended(request(run))
    assert not run.has("descent.parquet")
    del alone[:]
    descended(request(run))
    assert alone == [[], [3], [5]]
    whole = descended(request(decided_run("other")))
    assert weights_of(run) == weights_of(whole)
    del alone[:]
    descended(request(run, rounds=3))
    assert alone == [[], [], [4], [7]]  # the third is traced back now, and the fourth judged


def test_by_probes_the_weights_follow_from_the_scores(decided_run, cheap):
    run = descended(request(decided_run(), rounds=1, by="probes"))
    scores = {row["stem_id"]: row["loss"] for row in run.read_table("stems.parquet").to_pylist()}
    weights = weights_of(run)
    for label in ("vocals", "drums"):
        ids = sorted((i for i in weights if i.endswith(label)), key=lambda i: scores[i])
        assert sorted(weights[i] for i in ids) == [
            weights[i] for i in ids
        ]  # the probe is right: higher = drawn more often
    assert run.read_json("descent.json")["coefficients"]["loss"] > 0


def test_the_decision_draws_by_what_was_found(decided_run, cheap, raysep, tmp_path):
    run = decided_run()
    place = str(tmp_path / "descended.parquet")
    stems = manifest.read(run.path("manifest.parquet"))
    with pytest.raises(handling.NotMade, match=r"has no descent.parquet yet.*`raysep descend RUN` makes it"):
        handling.supplied("descend", run.read_table("decision.parquet"), run)
    weights = weights_of(descended(request(run)))
    table = handling.supplied("descend", run.read_table("decision.parquet"), run)
    storage.write_bytes(place, table_bytes(table))
    rows = read_decision(place)
    for name in ("descend", "table"):  # what `raysep train --decision` does by itself
        entries = handling.use(name, rows, stems)
        assert {entry.stem.stem_id: entry.weight for entry in entries} == pytest.approx(weights)
    assert rows["c0/vocals"]["keep"]  # removed by the rule, drawn all the same
    assert rows["c1/vocals"]["reason"].startswith("descent: drawn 0.")


def test_what_cannot_be_is_refused(decided_run, alone):
    with pytest.raises(BadInput, match="--by songs: must be stems or probes"):
        descended(request(decided_run(), by="songs"))
    with pytest.raises(BadInput, match=r"training.eps_root 0"):
        descended(request(decided_run("other"), overrides={"training": {"eps_root": 0.0}}))
    assert alone == []
