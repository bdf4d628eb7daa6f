"""The evidence of a run over real files: what is chosen, said and marked is held against the faults that were made."""

from __future__ import annotations

import base64
import io

import numpy as np
import pyarrow as pa
import pytest
import soundfile

from raysep.corpus import manifest
from raysep.report.evidence import sounding, takes
from raysep.report.evidence.listing import listing
from raysep.report.evidence.of_run import Evidence
from raysep.report.evidence.standing import Loud, Standing
from raysep.report.listening import card
from raysep.rundir import Run
from tests.made_run import GAP, KINDS, RATE, fault_of


def by_kind(kind):
    return lambda stem_id: fault_of(stem_id) == kind


@pytest.fixture(scope="module")
def rows(evidence) -> dict[str, dict]:
    return {row["stem_id"]: row for row in sounding.shown(evidence)}


@pytest.mark.slow
def test_what_can_be_heard_is_of_every_kind_and_some_is_kept(rows):
    heard = {fault_of(name) for name, row in rows.items() if row["takes"] and row["group"] == "suspect"}
    assert heard >= set(KINDS)
    assert any(row["keep"] for row in rows.values())
    assert {row["group"] for row in rows.values()} == {"suspect", "doubtful", "kept"}


def test_the_guessed_kind_is_the_true_one_of_nearly_all_and_none_is_guessed_of_what_looks_right(evidence):
    wrong = [stem_id for stem_id in evidence.stems if fault_of(stem_id)]
    right = sum(evidence.kinds[stem_id].kind == fault_of(stem_id) for stem_id in wrong)
    assert right >= 0.8 * len(wrong)
    kept = [i for i, row in evidence.decision.items() if row["keep"] and row["p_corrupt"] < 0.5]
    assert all(evidence.kind(stem_id).name == "" for stem_id in kept)


def test_no_kind_is_guessed_of_a_stem_whose_label_the_decision_found_out(evidence, monkeypatch):
    guessed = [stem_id for stem_id in sorted(evidence.stems) if evidence.kind(stem_id).guess]
    exchanged, alike, by_hand, other = guessed[:4]
    found = {
        exchanged: "P(corrupt) 0.98 above 0.5; exchanged with the track's drums (together 9 dB by it)",
        alike: "P(corrupt) 0.98 above 0.5; sounds like drums (5 dB by it)",
        by_hand: "you: drums; P(corrupt) 0.98 above 0.5",
    }
    rows = {i: {**evidence.decision[i], "label": "drums", "reason": reason} for i, reason in found.items()}
    monkeypatch.setattr(evidence, "decision", {**evidence.decision, **rows})
    assert evidence.row(exchanged)["kind"] == "exchanged with the track's drums"
    assert evidence.looks(exchanged) == ("exchanged with the track's drums", 1.0)
    assert evidence.row(alike)["kind"] == "sounds like drums"
    assert evidence.row(by_hand)["kind"] == ""
    assert "(a guess; right for" in evidence.row(other)["kind"]
    assert {"exchanged with the track's drums", "sounds like drums"} <= set(listing(evidence).kinds)


def test_how_a_removed_stem_is_used_is_said(evidence, monkeypatch):
    cut, spared, moved, dropped = [stem_id for stem_id, row in sorted(evidence.decision.items()) if not row["keep"]][:4]
    masked = {**evidence.decision[cut], "spans": ((1.0, 2.5), (4.0, 5.5))}
    monkeypatch.setattr(evidence, "decision", {**evidence.decision, cut: masked})
    label = {stem_id: stem_id.partition("/")[2] for stem_id in (cut, spared)}
    monkeypatch.setattr(evidence, "used", {**label, moved: "choir"})
    assert [evidence.row(stem_id)["used"] for stem_id in (cut, spared, moved, dropped)] == [
        "used without the 3.0 s that are wrong",
        "used all the same",
        "used as choir",
        "",
    ]


def test_what_the_decision_found_out_comes_first(evidence, monkeypatch):
    stem_id = next(iter(evidence.decision))
    row = evidence.decision[stem_id]
    reason = "P(corrupt) 0.98 above 0.5; sounds like drums (5 dB)"
    monkeypatch.setattr(evidence, "decision", {**evidence.decision, stem_id: {**row, "reason": reason}})
    assert evidence.spoken(stem_id)[0] == "sounds like drums (5 dB)"
    said = {**row, "reason": "you: keep; P(corrupt) 0.98 above 0.5", "verdict": "keep"}
    monkeypatch.setattr(evidence, "decision", {**evidence.decision, stem_id: said})
    assert evidence.spoken(stem_id) == [loud.words for loud in evidence.loud(stem_id)]


@pytest.mark.parametrize(("kind", "words"), [("dropout", "digital silence 13"), ("clip", "clipped: ")])
def test_the_loudest_evidence_of_nearly_every_such_fault_is_that_fault(evidence, kind, words):
    faulty = [stem_id for stem_id in evidence.stems if fault_of(stem_id) == kind]
    told = [any(each.words.startswith(words) for each in evidence.loud(stem_id)) for stem_id in faulty]
    assert len(faulty) >= 2
    assert sum(told) >= len(told) - 1


def test_the_marked_span_lies_on_the_gap(evidence):
    stems = [evidence.stems[stem_id] for stem_id in filter(by_kind("dropout"), evidence.stems)]
    assert len(stems) >= 2
    for stem in stems:
        span = evidence.span(stem.stem_id, takes.whole(stem, RATE), RATE)
        assert (span.start, span.stop) == pytest.approx(GAP, abs=0.1)


@pytest.mark.parametrize(
    ("loudest", "on_the_gap"), [(["signal-dropout", "loss"], True), (["loss", "signal-dropout"], False)]
)
def test_a_gap_that_some_trusted_stem_has_too_is_marked_where_it_is_what_is_said_first(
    evidence, monkeypatch, loudest, on_the_gap
):
    said = [Loud(name, 5.0, "") for name in loudest]
    monkeypatch.setattr(Standing, "beyond_trusted", lambda *about: False)
    monkeypatch.setattr(Standing, "loudest", lambda *about: said)
    stem = evidence.stems[next(filter(by_kind("dropout"), sorted(evidence.stems)))]
    span = evidence.span(stem.stem_id, takes.whole(stem, RATE), RATE)
    assert (span.why == "digital silence") == on_the_gap


def test_the_marked_span_of_a_fault_in_scores_alone_is_its_worst_segment(evidence):
    """Made-up scores are worst in the segment around the gap, whatever the fault."""
    stem = evidence.stems[next(filter(by_kind("noise"), sorted(evidence.stems)))]
    span = evidence.span(stem.stem_id, takes.whole(stem, RATE), RATE)
    assert span.start < GAP[1]
    assert span.stop > GAP[0]


def heard(source: str) -> np.ndarray:
    data = base64.b64decode(source.partition(",")[2])
    return soundfile.read(io.BytesIO(data), always_2d=True)[0].T


def test_the_sounds_are_those_of_the_files(rows, evidence):
    row = next(row for name, row in rows.items() if fault_of(name) == "dropout")
    stem, mixture, trusted = row["takes"]
    assert (stem.name, mixture.name, trusted.name) == ("Stem", "Mixture", f"Trusted {row['stem']}")
    assert trusted.about.startswith(f"{row['stem']} of ref-")
    assert stem.span == mixture.span
    assert trusted.span is None
    first = round(stem.start * RATE)
    files = {
        name: soundfile.read(evidence.stems[f"{row['track']}/{name}"].uri)[0].T
        for name in ("bass", "drums", "other", "vocals")
    }
    for take, whole in ((stem, files[row["stem"]]), (mixture, sum(files.values()))):
        audio = heard(take.source)
        assert audio.shape[1] == round(takes.EXCERPT_SECONDS * RATE) == round(take.outline.seconds * RATE)
        part = whole[:, first : first + audio.shape[1]]
        assert np.corrcoef(audio.ravel(), part.ravel())[0, 1] > 0.95  # Vorbis is no copy
    assert stem.start <= stem.span[0] < stem.span[1] <= stem.start + takes.EXCERPT_SECONDS
    assert row["where"].start == pytest.approx(stem.start)
    assert row["where"].outline.seconds == pytest.approx(9.0)


def test_an_excerpt_that_is_read_by_range_is_the_part_of_the_whole(evidence):
    stem = next(iter(evidence.stems.values()))
    part = takes.excerpt(stem, 2.5, 3.0, RATE)
    assert part == pytest.approx(takes.whole(stem, RATE)[:, round(2.5 * RATE) : round(5.5 * RATE)])
    assert takes.excerpt(stem, 2.5, 3.0, RATE // 2).shape == (2, 3 * RATE // 2)


def test_a_stem_that_is_gone_is_told_and_a_mixture_does_without_it(made_run, tmp_path):
    run = Run(str(tmp_path / "run"))
    for name in ("manifest.parquet", "reference.parquet", "decision.parquet", "stems.parquet", "run.json"):
        run.write_bytes(made_run.read_bytes(name), name)
    stems = [s for s in manifest.read(run.path("manifest.parquet")) if s.track == "song-00"]
    gone = [
        type(s)(**{**{f: getattr(s, f) for f in s.__slots__}, "uri": "/no/such.wav"}) if s.stem == "bass" else s
        for s in stems
    ]
    manifest.write(run.path("manifest.parquet"), gone)
    run.write_table(run.read_table("decision.parquet").slice(0, 4), "decision.parquet")
    found = Evidence(run)
    row = found.with_sounds(found.row("song-00/bass"))
    assert row["takes"] == []
    assert "/no/such.wav" in row["note"]
    other = found.with_sounds(found.row("song-00/drums"))  # and without any scores of segments
    assert other["takes"][1].about == "without bass, which cannot be read"


def test_what_a_stem_is_worth_stands_on_its_card_where_it_was_computed(made_run, tmp_path):
    run = Run(str(tmp_path / "run"))
    for name in ("manifest.parquet", "decision.parquet", "stems.parquet", "run.json"):
        run.write_bytes(made_run.read_bytes(name), name)
    assert "Worth" not in card(Evidence(run).row("song-00/bass"), 0)
    worth = pa.table({"stem_id": ["song-00/bass"], "worth": [-0.5], "spread": [0.125]})
    run.write_table(worth, "worth.parquet")
    found = Evidence(run)
    assert "<dt>Worth</dt><dd>costs 0.500 dB on the reference (± 0.125 over seeds)</dd>" in card(
        found.row("song-00/bass"), 0
    )
    assert "Worth" not in card(found.row("song-00/drums"), 0)
