from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from raysep import config as settings
from raysep.cluster import search as tune
from raysep.corpus import storage
from raysep.corpus.inputs import Inputs
from raysep.corpus.layouts import stems_of
from raysep.corpus.manifest import Stem
from raysep.errors import BadInput, RaysepError
from raysep.screen import Progress
from raysep.stages import decide, search, train
from raysep.stages.plant import Planting
from raysep.training.pool import SegmentPool

LABELS = ("vocals", "drums", "bass", "other")
STEM_BYTES = 2 * 9600  # of 1.2 s at 8 kHz: one piece


@pytest.fixture
def prepared(tmp_path, make_context, write_tracks, write_rows):
    """(context, inputs, planting): suspicion grows with the track's number, however it is asked for; one stem failed."""
    context = make_context(
        search={"steps": 4, "rungs": 2, "ratios": [0.0, 0.4]}, training={"batch": 2}, decision={"floor": 0.0}
    )
    context.run.open("abc", {"config": settings.to_dict(context.config)})
    corpus = stems_of(write_tracks(tmp_path / "corpus", [f"t{k}" for k in range(5)], seconds=1.2)).stems
    reference = stems_of(write_tracks(tmp_path / "reference", ["R", "S"], seconds=1.2)).stems
    decision, scores = [], []
    for s in corpus:
        failed = s.stem_id == "t0/bass"
        about = {"stem_id": s.stem_id, "outcome": "failed" if failed else "scored"}
        decision.append({**about, "keep": not failed and s.track != "t4"})
        scores.append({**about, "track": s.track, "stem": s.stem, "fad": None if failed else -float(s.track[1:])})
    write_rows(context.run, "decision.parquet", decision)
    write_rows(context.run, "stems.parquet", scores)
    return context, Inputs(corpus, reference, []), Planting(reference, [], [], {})


def trial_of(context, inputs, planting, **changes) -> search.Trial:
    settings = {
        "root": context.run.root,
        "stems": tuple(inputs.corpus),
        "validation": tuple(planting.unlearning),
        "sample_rate": 8000,
        "channels": 1,
        "training": context.config.training,
        "steps": 4,
        "rungs": 2,
        "learning_rate": 1e-3,
        "seed": 0,
    }
    return search.Trial(**settings | changes)


def point(ratio: float, probe: str = "fad", handling: str = "drop") -> dict:
    return {"ratio": ratio, "probe": probe, "handling": handling}


@pytest.mark.parametrize(
    ("ratio", "left"),
    [
        (0.0, {"vocals": 5, "drums": 5, "bass": 4, "other": 5}),
        (0.2, {"vocals": 4, "drums": 4, "bass": 4, "other": 4}),  # the one that failed is the most suspect of its label
        (0.8, {"vocals": 4, "drums": 4, "bass": 4, "other": 4}),  # four are always left
    ],
)
def test_a_point_uses_what_a_decision_by_it_would_keep(prepared, ratio, left):
    context, inputs, _ = prepared
    kept = search.entries_at(context.run, point(ratio), inputs.corpus)
    assert {label: sum(e.label == label for e in kept) for label in left} == left
    assert "t0/bass" not in {e.stem.stem_id for e in kept}
    worst_kept = max(int(e.stem.track[1:]) for e in kept if e.label == "vocals")
    assert worst_kept == left["vocals"] - 1
    again = decide.table_again(context.run, {"rule": "ratio", "ratio": ratio, "probe": "fad"}).to_pylist()
    assert {e.stem.stem_id for e in kept} == {row["stem_id"] for row in again if row["keep"]}


def test_a_point_is_acted_on_by_its_handling(prepared):
    context, inputs, _ = prepared
    weighted = search.entries_at(context.run, point(0.2, handling="weight"), inputs.corpus)
    assert {e.weight for e in weighted} == {1.0}  # without a P(corrupt) there is nothing between
    assert len(weighted) == 16


class Draw:
    """What Optuna hands to a space: here the values that were enqueued, else the middle."""

    def __init__(self, **values) -> None:
        self.values = values

    def suggest_int(self, name, low, high):
        return self.values.get(name, (low + high) // 2)

    def suggest_categorical(self, name, among):
        return self.values.get(name, among[0])


def test_a_space_draws_every_ratio_and_begins_where_it_is_told_to():
    space = search.Space((0.0, 0.2, 0.5), ("fused", "fad"), ("drop", "relabel"))
    assert [space(Draw(**space.at(ratio)))["ratio"] for ratio in space.ratios] == [0.0, 0.2, 0.5]
    assert space(Draw(probe="fad", handling="relabel")) == point(0.2, "fad", "relabel")


def test_a_trial_reports_once_a_rung_and_the_same_again(prepared, save_network):
    context, inputs, planting = prepared
    save_network(context, train.FINAL)
    trial = trial_of(context, inputs, planting)
    reports: list[list[dict]] = [[], []]
    for made in reports:
        trial(point(0.2), None, lambda metrics, state, made=made: made.append(timeless(metrics)))
    assert len(reports[0]) == 2
    assert all(np.isfinite(row[search.METRIC]) for row in reports[0])
    assert reports[0] == reports[1]


def timeless(metrics: dict) -> dict:
    return {name: value for name, value in metrics.items() if name != search.SECONDS}


def test_a_trial_that_was_interrupted_ends_as_one_in_one_go(prepared, save_network):
    context, inputs, planting = prepared
    save_network(context, train.FINAL)
    trial, whole, rest = trial_of(context, inputs, planting), [], []
    trial(point(0.2), None, lambda metrics, state: whole.append((metrics, state)))
    trial(point(0.2), whole[0][1], lambda metrics, state: rest.append((metrics, state)))
    assert [timeless(metrics) for metrics, _ in rest] == [timeless(whole[1][0])]
    assert rest[0][1]["training"]["step"] == 4
    assert rest[0][0]["seconds"] > whole[0][0]["seconds"]  # with those of before


def test_the_error_of_a_trial_is_that_over_its_tracks(prepared, save_network, monkeypatch):
    from raysep.training import validate

    context, inputs, planting = prepared
    save_network(context, train.FINAL)
    found = validate.Validated(2.0, {}, by_track=(1.0, 3.0))
    monkeypatch.setattr(validate, "validate", lambda *arguments, **named: found)
    reports: list[dict] = []
    trial_of(context, inputs, planting)(point(0.2), None, lambda metrics, state: reports.append(metrics))
    assert [row["standard_error"] for row in reports] == [pytest.approx(np.std([1, 3], ddof=1) / np.sqrt(2))] * 2


def test_a_trial_is_judged_by_the_mean_sdr_of_the_audible_stems_of_whole_reference_tracks(
    prepared, save_network, monkeypatch, scanned_again
):
    from raysep.separators import inference

    context, inputs, planting = prepared
    save_network(context, train.FINAL)
    silent = next(s for s in planting.unlearning if s.stem_id == "S/vocals")
    # Not digital silence, but below -60 dBFS: with the challenge's formula this one stem would cost several dB.
    hiss = 1e-4 * np.random.default_rng(0).standard_normal(silent.frames)
    soundfile.write(silent.uri, hiss, silent.sample_rate, subtype="FLOAT")
    scanned_again(silent)
    monkeypatch.setattr(inference, "separate", lambda network, mixture: np.stack([mixture / 2] * len(LABELS)))
    reports: list[dict] = []
    trial_of(context, inputs, planting)(point(0.0), None, lambda metrics, state: reports.append(metrics))

    expected = []
    for track in ("R", "S"):
        audio = {s.stem: soundfile.read(s.uri)[0] for s in planting.unlearning if s.track == track}
        half = sum(audio.values()) / 2  # what every stem is estimated to be
        of_track = [
            10 * np.log10((a**2).sum() / ((a - half) ** 2).sum())
            for label, a in audio.items()
            if (track, label) != ("S", "vocals")
        ]
        expected.append(np.mean(of_track))
    assert [row[search.METRIC] for row in reports] == pytest.approx([np.mean(expected)] * 2, rel=1e-4)
    residue = 10 * np.log10((half**2).mean())
    assert [(row["silent"], row["residue"]) for row in reports] == [(1, pytest.approx(residue, abs=0.01))] * 2


def test_every_label_gets_its_share_of_the_pool_whatever_the_order(prepared, monkeypatch):
    from raysep.training import pieces

    context, inputs, planting = prepared
    trial, decoded = trial_of(context, inputs, planting), []
    original = pieces.pieces
    monkeypatch.setattr(pieces, "pieces", lambda stem, *rest: decoded.append(stem.stem_id) or original(stem, *rest))
    kept = search.entries_at(context.run, point(0.0), inputs.corpus)
    held = []
    for stems in (kept, kept[::-1]):
        pool = SegmentPool(LABELS, len(LABELS) * 2 * STEM_BYTES)
        trial._fill(pool, stems)
        held.append(set(pool._pieces))
    assert {label: sum(key[2] == label for key in held[0]) for label in LABELS} == dict.fromkeys(LABELS, 2)
    assert held[0] == held[1]
    # The two that fit, and the one that shows that no more do.
    assert len(decoded) == 2 * 3 * len(LABELS)


def test_a_pool_full_of_silence_is_filled_until_every_label_sounds(prepared, scanned_again):
    context, inputs, planting = prepared
    trial = trial_of(context, inputs, planting)
    kept = search.entries_at(context.run, point(0.0), inputs.corpus)
    drums = [s for s in inputs.corpus if s.stem == "drums"]
    for audible in drums:
        for s in drums:
            noise = 0.1 * np.random.default_rng(0).standard_normal(s.frames)
            soundfile.write(s.uri, noise * (s.stem_id == audible.stem_id), s.sample_rate)
            scanned_again(s)
        pool = SegmentPool(LABELS, len(LABELS) * STEM_BYTES)
        trial._fill(pool, kept)
        assert (audible.stem_id, 0, "drums") in pool._pieces
    soundfile.write(drums[-1].uri, np.zeros(drums[-1].frames), drums[-1].sample_rate)
    scanned_again(drums[-1])
    with pytest.raises(BadInput, match="train drums with"):
        trial._fill(SegmentPool(LABELS, len(LABELS) * STEM_BYTES), kept)


def test_a_trial_tells_what_it_was_trained_without(prepared, save_network):
    context, inputs, planting = prepared
    save_network(context, train.FINAL)
    Path(next(s.uri for s in inputs.corpus if s.stem_id == "t1/drums")).unlink()
    reports: list[dict] = []
    trial_of(context, inputs, planting)(point(0.0), None, lambda metrics, state: reports.append(metrics))
    for row in reports:
        (told,) = json.loads(row["unread"]).items()
        assert told[0] == "t1/drums"
        assert "drums.wav: no such file" in told[1]


# The stage


@pytest.fixture
def searched(prepared, monkeypatch):
    """searched(rows) → what the stage makes of these trials; with the arguments that the search was given."""
    context, inputs, planting = prepared
    given: dict = {}

    def run(rows: list[dict], retry_failed: bool = False, quiet: bool = True) -> dict:
        def found(trial, space, **options):
            given.update(options, trial=trial, space=space)
            return rows

        given.clear()
        monkeypatch.setattr(tune, "search", found)
        search.search(replace(context, retry_failed=retry_failed, progress=Progress(quiet)), inputs, planting)
        return context.run.read_json("done", "search.json") | {"given": dict(given)}

    run.context = context
    return run


def test_the_best_of_the_trials_that_got_furthest_wins(searched):
    silent = {"silent": 3, "residue": -50.0}
    rows = [
        {"ratio": 0.0, "validation_sdr": 3.0, **silent, "rung": 2, "error": ""},
        {"ratio": 0.2, "validation_sdr": 9.0, **silent, "rung": 1, "error": ""},  # stopped early: not comparable
        {"ratio": 0.4, "validation_sdr": 4.0, **silent, "rung": 2, "error": ""},
    ]
    record = searched(rows)
    assert (record["best_ratio"], record["best_sdr"]) == (0.4, 4.0)
    assert record["steps"] == 2 * 4 + 2
    assert record["decided_ratio"] == pytest.approx(1 - 15 / 20)  # the four of t4 and the failed one
    assert record["given"]["space"] == search.Space((0.0, 0.4), ("fused",), ("drop",))
    assert [first["ratio"] for first in record["given"]["first"]] == [0, 1]  # in Optuna's terms: their places
    assert record["given"]["samples"] == 2
    assert record["silent_references"] == 3
    assert searched.context.run.read_table("search.parquet").to_pylist() == rows
    assert searched(rows)["given"] == {}  # done: not searched again


def test_what_trials_could_not_read_is_noted_and_searched_again_when_asked(searched):
    unread = {"unread": json.dumps({"t1/drums": "gone"})}
    rows = [{"ratio": r, "validation_sdr": 3.0, "rung": 2, "error": "", **unread} for r in (0.0, 0.4)]
    record = searched(rows)
    assert record["unread"] == [["t1/drums", "gone"]]
    run = searched.context.run
    storage.delete(run.path("done", "search.json"))
    assert searched(rows)["given"]["name"] == record["given"]["name"]  # a killed one goes on
    storage.delete(run.path("done", "search.json"))
    again = searched([{"ratio": 0.0, "validation_sdr": 3.0, "rung": 2, "error": ""}], retry_failed=True)
    assert again["given"]["name"] != record["given"]["name"]
    assert again["unread"] == run.read_json("run.json")["stages"]["search"]["unread"] == []


def test_a_trial_that_failed_first_loses_no_column_of_the_others_and_is_told(searched, capsys):
    rows = [
        {"ratio": 0.0, "error": "out of memory"},
        {"ratio": 0.4, "validation_sdr": 4.0, "rung": 2, "error": ""},
    ]
    assert searched(rows, quiet=False)["best_ratio"] == 0.4
    told = " ".join(capsys.readouterr().err.split())
    assert "1 of 2 trials of the search failed, the first, of ratio 0.0, with: out of memory" in told
    table = searched.context.run.read_table("search.parquet").to_pylist()
    unknown = dict.fromkeys(("validation_sdr", "silent", "residue", "rung"))
    assert table[0] == {"ratio": 0.0, **unknown, "error": "out of memory"}
    assert table[1] == {"silent": None, "residue": None, **rows[1]}


def test_a_search_in_which_all_failed_says_why_and_is_not_done(searched):
    failed = [
        {"ratio": 0.0, "error": "Traceback:\n  File x\nraysep.errors.BadInput: nothing audible\n"},
        {"ratio": 0.4, "validation_sdr": 4.0, "rung": 1, "error": "out of memory"},
    ]
    with pytest.raises(
        RaysepError, match=r"all 2 trials failed, .* ratio 0\.0, with: raysep\.errors\.BadInput: nothing"
    ):
        searched(failed)
    run = searched.context.run
    assert not run.is_done("search")
    assert [row["error"] for row in run.read_table("search.parquet").to_pylist()] == [row["error"] for row in failed]
    assert searched([{"ratio": 0.0, "validation_sdr": 3.0, "rung": 2, "error": ""}])["best_ratio"] == 0.0


def test_other_scores_are_another_search(prepared, monkeypatch, write_rows):
    context, inputs, planting = prepared
    names = []
    monkeypatch.setattr(tune, "search", lambda trial, space, **options: names.append(options["name"]) or [])
    search.search(context, inputs, planting)
    rows = context.run.read_table("stems.parquet").to_pylist()
    write_rows(context.run, "stems.parquet", [{**row, "fad": 0.5} for row in rows])
    storage.delete(context.run.path("done", "search.json"))
    search.search(context, inputs, planting)
    assert names[0] != names[1]


def test_stems_without_samples_are_no_part_of_a_search(prepared, monkeypatch):
    context, inputs, planting = prepared
    empty = Stem("x/bass", "x", "bass", "/no.wav", 0, 0, 0, "", 0, "")
    seen = []
    monkeypatch.setattr(tune, "search", lambda trial, space, **options: seen.append(trial) or [])
    search.search(context, replace(inputs, corpus=[*inputs.corpus, empty]), planting)
    assert "x/bass" not in {s.stem_id for s in seen[0].stems}
    assert len(seen[0].stems) == len(inputs.corpus)
