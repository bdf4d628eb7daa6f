from __future__ import annotations

import contextlib
import json
import math

import numpy as np
import pyarrow as pa
import pytest
import torch

from raysep.commands.worth import tables, training, worker
from raysep.commands.worth.worth import WorthRequest, worth
from raysep.errors import BadInput, RaysepError

EXCHANGED = ("c1", "c4")
pytestmark = pytest.mark.usefixtures("alone")


def request(run, **changes) -> WorthRequest:
    return WorthRequest(run.root, **{"seeds": 2, "quiet": True, **changes})


def loss_with(weights: dict[str, float], payload: worker.ToTrace, tracer: worker.Tracer) -> float:
    """Of the reference, after the training of ``payload`` in float64 with some stems' losses weighted."""
    from raysep.probes.metagradient import query_losses
    from raysep.training import in_memory

    audio = in_memory.read(payload.plan)
    trained, _ = in_memory.unrolled(payload.plan, audio)
    trained.network.double()
    end = trained.end(torch.tensor([weights.get(i, 1.0) for i in audio.stem_ids], dtype=torch.float64))
    return float(query_losses(trained, end, tracer.query(trained, payload.reference, False))[0])


@pytest.fixture
def payloads(monkeypatch):
    """What the workers are given, with the worker."""
    given = []
    trace = worker.Tracer.trace
    monkeypatch.setattr(
        worker.Tracer,
        "trace",
        lambda self, n, payload, audio: given.append((payload, self)) or trace(self, n, payload, audio),
    )
    return given


@pytest.mark.slow
def test_it_is_what_weighting_a_stem_does_to_the_loss_in_db(decided_run, payloads):
    """Foretold for a little more and less of a stem, and as much less and more of the others of its label, which are drawn
    in its place where it is not there; against trainings with these weights.
    """
    run = worth(request(decided_run(), seeds=1, by_label=True))
    rows = run.read_table("worth.parquet").to_pylist()
    payload, tracer = payloads[0]
    assert len(rows) == 12
    extreme = sorted(rows, key=lambda row: row["worth"])
    for row in (extreme[0], extreme[-1]):
        others = [r["stem_id"] for r in rows if r["stem"] == row["stem"] and r is not row]
        less, more = (
            loss_with({row["stem_id"]: 1 + by} | {i: 1 - by / len(others) for i in others}, payload, tracer)
            for by in (-1e-4, 1e-4)
        )
        assert 10 * math.log10(less / more) / 2e-4 == pytest.approx(row["worth"], rel=0.01)
    losses = run.read_json("worth.json")["losses"][0]
    for row in rows:  # of all labels: the mean over labels of the derivatives, over that of the losses
        derivative = [row[f"worth-{label}"] * loss for label, loss in zip(("vocals", "drums"), losses, strict=True)]
        assert row["worth"] == pytest.approx(np.mean(derivative) / np.mean(losses), rel=1e-5)
        assert row["spread"] is None


@pytest.mark.slow
def test_more_seeds_are_added_to_those_that_are_there(decided_run, alone):
    run = worth(request(decided_run(), seeds=1))
    first = run.read_table("worth/part-00000.parquet")
    assert alone == [[0], []]
    worth(request(run, seeds=3))
    assert alone[2:] == [[], [1, 2]]
    worth(request(run, seeds=3))
    assert alone[4:] == [[], []]
    assert run.read_table("worth/part-00000.parquet") == first
    parts = [run.read_table(f"worth/part-0000{seed}.parquet") for seed in range(3)]
    losses = [each[0] for each in run.read_json("worth.json")["losses"]]
    raw = [-10 / np.log(10) * p["all"].to_numpy() / loss for p, loss in zip(parts, losses, strict=True)]
    ids = parts[0]["stem_id"].to_pylist()
    own = np.array([[i != j and i.split("/")[1] == j.split("/")[1] for j in ids] for i in ids])
    each = np.array([[worth[k] - worth[own[k]].mean() for k in range(len(ids))] for worth in raw])
    table = {row["stem_id"]: row for row in run.read_table("worth.parquet").to_pylist()}
    for number, stem_id in enumerate(ids):
        assert table[stem_id]["worth"] == pytest.approx(each[:, number].mean(), rel=1e-9)
        assert table[stem_id]["spread"] == pytest.approx(each[:, number].std(ddof=1), rel=1e-9)
    of = {wrong: [r["worth"] for r in table.values() if (r["track"] in EXCHANGED) == wrong] for wrong in (True, False)}
    assert max(of[True]) < min(0.0, *of[False])  # exchanged stems cost
    worth(request(run, seeds=1, overrides={"training": {"eps_root": 2e-3}}))  # another training
    assert alone[6:] == [[0], []]
    assert run.read_table("worth/part-00000.parquet") != first


@pytest.mark.slow
def test_with_few_states_it_is_the_same_to_the_last_bit(decided_run):
    run = worth(request(decided_run(), seeds=1))
    table = run.read_table("worth.parquet")
    again = worth(request(decided_run("other"), seeds=1, memory_gib=9.5 * 66136 / 2**30))
    assert again.read_table("worth.parquet") == table


@pytest.mark.slow
def test_what_it_takes_is_said_first(decided_run, capsys):
    run = decided_run(training={"eps_root": 0.0})
    with contextlib.suppress(RaysepError):  # whether it is smooth enough is not the question
        worth(request(run, quiet=False, seeds=1))
    _, told = capsys.readouterr()
    lines = " ".join(told.split())
    assert "note: trained with training.eps_root 0.0001, where the run has 0" in lines
    assert "1 seeds, each about 4 trainings of 16 steps" in lines
    assert "GiB of audio" in lines
    assert "less than 2 MiB on disk" in lines


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"training": {"eps_root": 0.0}}, "training.eps_root 0"),
        ({"training": {"truncate": "time"}}, "training.truncate time"),
        ({"training": {"precision": "bfloat16"}}, "training.precision bfloat16"),
        ({"training": {"learning_rat": 1}}, "learning_rat"),
    ],
)
def test_a_recipe_without_a_derivative_is_refused_before_any_training(decided_run, alone, overrides, said):
    with pytest.raises(BadInput, match=said) as refused:
        worth(request(decided_run(), overrides=overrides))
    assert "\n" not in str(refused.value)
    assert alone == []


def test_states_that_do_not_fit_are_refused(decided_run, alone):
    with pytest.raises(BadInput, match="give it more memory, or fewer steps"):
        worth(request(decided_run(), memory_gib=1e-6))
    assert alone == []


def test_a_derivative_that_foretells_nothing_is_refused_after_the_first_seed(decided_run, alone, raysep):
    """With hardly anything inside the root and a high rate, training is not smooth."""
    run = decided_run()
    rough = ["training.eps_root=1e-12", "training.learning_rate=0.3", "training.gradient_clip=0"]
    code, _, error = raysep("worth", run.root, "-q", *(word for each in rough for word in ("--set", each)))
    assert code == 1
    assert "metagradient not to be trusted" in error
    assert "raise training.eps_root" in error
    assert error.count("\n") == 1
    assert alone == [[0]]
    assert not run.has("worth.parquet")
    with pytest.raises(RaysepError, match="not to be trusted"):  # and is not computed again to be refused again
        worth(request(run, overrides={"training": {"eps_root": 1e-12, "learning_rate": 0.3, "gradient_clip": 0.0}}))
    assert alone == [[0], []]


def test_a_run_that_has_not_decided_says_so(raysep, tmp_path):
    (tmp_path / "run.json").write_text("{}")
    code, _, error = raysep("worth", str(tmp_path))
    assert code == 2
    assert "has no decision.parquet yet" in error


def test_a_stem_that_was_never_drawn_has_no_worth(make_stems):
    stems = sorted(make_stems(["A", "B", "C", "D"], labels=("bass",)))
    ids = ["A/bass", "B/bass", "C/bass"]
    parts = [pa.table({"stem_id": ids, "all": [-0.1 * k, 9.0, 0.0], "drawn": [k, 0, k]}) for k in (1, 3)]
    table = tables.table_of(parts, [{"counts": {"losses": [1.0]}}] * 2, stems)
    worth, spread = 0.2 * 10 / math.log(10), 0.1 * math.sqrt(2) * 10 / math.log(10)
    assert table["worth"].to_pylist() == [pytest.approx(worth), None, pytest.approx(-worth), None]
    assert table["spread"].to_pylist() == [pytest.approx(spread), None, pytest.approx(spread), None]
    assert table["drawn"].to_pylist() == [2, 0, 2, 0]
    told = tables.sentences(table, 2, 0.5)
    assert told[0] == "2 of 4 stems have a worth; the others were never drawn (silent, or not read), first B/bass"
    assert "the means of 2 by that 0.67" in told[1]


def test_only_what_is_beyond_the_seeds_noise_is_said_to_cost():
    row = {"worth": -0.033, "spread": 0.02}  # Student's t for four seeds: 3.182 · 0.02 / 2 = 0.0318
    assert tables.certainly_costs(row, 4)
    assert not tables.certainly_costs(row | {"worth": -0.031}, 4)
    assert not tables.certainly_costs(row, 2)
    assert not tables.certainly_costs(row, 1)
    assert not tables.certainly_costs({"worth": 0.03, "spread": 0.001}, 4)
    assert not tables.certainly_costs({"worth": None, "spread": None}, 4)


def test_the_reference_is_halved_by_track(make_stems):
    reference = make_stems([f"R{k}" for k in range(7)])
    first, second = training.halves(reference)
    tracks = [{stem.track for stem in half} for half in (first, second)]
    assert sorted(map(len, tracks)) == [3, 4]
    assert not tracks[0] & tracks[1]
    assert sorted(first + second) == sorted(reference)
    with pytest.raises(BadInput, match="give two or more"):
        training.halves(make_stems(["R"]))


def test_suspects_say_what_a_stem_costs(decided_run, raysep, write_rows):
    run = decided_run()
    before = json.loads(raysep("suspects", run.root, "--json")[1])
    assert {row["worth"] for row in before} == {None}
    found = {"c1/vocals": (-0.0314, 0.004), "c2/drums": (0.02, None), "c3/drums": (None, None)}
    write_rows(run, "worth.parquet", [{"stem_id": i, "worth": w, "spread": s} for i, (w, s) in found.items()])
    rows = {row["stem_id"]: row for row in json.loads(raysep("suspects", run.root, "--json")[1])}
    assert {i: (rows[i]["worth"], rows[i]["worth_spread"]) for i in rows} == dict.fromkeys(rows, (None, None)) | found
    lines = raysep("suspects", run.root)[1].splitlines()
    assert "       costs 0.031 dB on the reference (± 0.004 over seeds)" in lines
    assert "       brings 0.020 dB on the reference" in lines
    assert sum("dB on the reference" in line for line in lines) == 2


@pytest.mark.slow
def test_evidence_is_trained_on_and_judged_by_references_that_it_is_not_of(decided_run, songs, payloads, monkeypatch):
    """Two folds: a calibration stem's worth is that on the reference tracks of the other fold."""
    from raysep.decision.roles import Role
    from raysep.stages import plant
    from raysep.stages.plant import Planting

    run, (corpus, reference) = decided_run(), songs
    fold_of = {s.track: int(s.track[1:]) % 2 for s in corpus + reference}
    roles = {s.stem_id: Role("calibration", "clean", s.track) for s in reference}
    planting = Planting(reference, reference, [], roles, fold_of=fold_of)
    monkeypatch.setattr(plant, "plant", lambda context, inputs: planting)
    worth(request(run, seeds=1, evidence=True))
    payload, _ = payloads[0]
    assert [{s.track for s in drawn.stems} for drawn in payload.reference] == [{"r1", "r3"}, {"r0", "r2"}]
    part = run.read_table("worth-evidence/part-00000.parquet")
    marker = run.read_json("done", "worth-evidence", "00000.json")
    table = {row["stem_id"]: row["worth"] for row in run.read_table("worth-evidence.parquet").to_pylist()}
    assert table.keys() == {s.stem_id for s in corpus + reference}
    ids, losses = part["stem_id"].to_pylist(), marker["counts"]["losses"]
    own = {
        i: (part[f"part-{fold_of[i.split('/')[0]]}"][k].as_py(), fold_of[i.split("/")[0]]) for k, i in enumerate(ids)
    }
    raw = {i: -10 / math.log(10) * gradient / losses[fold] for i, (gradient, fold) in own.items()}
    for stem_id in ("c1/vocals", "r2/drums"):
        others = [raw[i] for i in ids if i != stem_id and i.split("/")[1] == stem_id.split("/")[1]]
        assert table[stem_id] == pytest.approx(raw[stem_id] - np.mean(others), rel=1e-6)
    assert not run.has("worth.parquet")  # with the reference in the training it is no price


def test_one_question_at_a_time(raysep, tmp_path):
    code, _, error = raysep("worth", str(tmp_path), "--by-label", "--evidence")
    assert (code, error.count("\n")) == (2, 1)
    assert "a probe is of all labels together" in error
    assert raysep("worth", str(tmp_path), "--memory", "0")[0] == 2
