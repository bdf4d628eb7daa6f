from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import soundfile

from raysep.commands.export import export
from raysep.commands.restore.restore import Request, restore, suspects_of, unheard
from raysep.commands.restore.worker import PLANTED, faulty, middle
from raysep.corpus import manifest
from raysep.corpus.folds import Fold
from raysep.corpus.reading import read_stem
from raysep.decision import handling
from raysep.decision.handling.reading import rows_of
from raysep.errors import BadInput
from raysep.stages.plant import Planting
from tests.commands.restore.bands import RATE
from tests.commands.restore.conftest import LABELS, save, song


def restored(run, **options):
    restore(Request(run.root, quiet=True, **options))
    return {row["stem_id"]: row for row in run.read_table("restored.parquet").to_pylist()}


def sources(run) -> dict[str, bytes]:
    return {stem.uri: Path(stem.uri).read_bytes() for stem in manifest.read(run.path("manifest.parquet"))}


def test_a_merged_stem_is_restored_a_clean_one_is_not_and_no_source_is_touched(decided_run, alone):
    run = decided_run()
    before = sources(run)
    rows = restored(run)
    assert set(rows) == {"c0/bass", "c1/bass", "c3/drums"}  # what belongs to another label, or is silent, is not asked
    assert [name for name, row in rows.items() if row["restored"]] == ["c0/bass"]
    audio, rate = soundfile.read(rows["c0/bass"]["uri"], dtype="float32")
    truth = song("c0")
    assert rate == RATE
    expected = (
        truth["bass"] + 0.1 * truth["other"]
    )  # a tenth is left in by this separator, and notes have no sharp edges
    assert np.square(audio - expected).sum() < 0.01 * np.square(expected).sum()
    assert rows["c1/bass"]["reason"].endswith("of what the separator finds in it is its own, as in a clean bass")
    assert sources(run) == before


def test_what_is_found_is_written_and_told_once_for_each_label(decided_run, alone, capsys):
    run = decided_run()
    restore(Request(run.root))
    told = capsys.readouterr().out
    assert "bass: 1 of 2 removed stems restored; planted faults gain +" in told
    assert told.count("other: ") == 1
    record = run.read_json("restored.json")
    assert record["counts"]["restored"] == 1
    assert {name: each["pays"] for name, each in record["labels"].items()} == dict.fromkeys(LABELS, True)
    assert record["labels"]["bass"]["songs"] >= 5


def test_a_separator_that_takes_nothing_out_restores_nothing_and_reads_no_suspect_stem(decided_run, alone):
    run = decided_run("Deaf")
    Path(next(uri for uri in sources(run) if uri.endswith("c0/bass.flac"))).unlink()
    rows = restored(run)
    assert not any(row["restored"] for row in rows.values())
    assert rows["c0/bass"]["reason"] == "not restored: restoring does not beat dropping for bass"
    assert not run.has("restored")


def test_a_second_call_does_nothing_and_a_restored_file_is_the_same_every_time(decided_run, alone):
    run = decided_run()
    first = restored(run)
    made = Path(first["c0/bass"]["uri"])
    data, count = made.read_bytes(), sum(map(len, alone))
    assert restored(run) == first
    assert sum(map(len, alone)) == count  # no shard was done again
    for marker in Path(run.path("done", "restore")).glob("*.json"):
        marker.unlink()
    made.unlink()
    assert restored(run) == first
    assert made.read_bytes() == data


def test_another_network_or_another_decision_is_not_answered_by_the_old_parts(decided_run, alone, tmp_path):
    run = decided_run()
    restored(run)
    table = run.read_table("decision.parquet")
    rows = [row | {"keep": row["stem_id"] != "c3/bass", "weight": 1.0} for row in table.to_pylist()]
    run.write_table(pa.Table.from_pylist(rows, schema=table.schema), "other.parquet")
    assert set(restored(run, decision=run.path("other.parquet"))) == {"c3/bass"}
    arguments = {"stems": LABELS, "sample_rate": RATE, "channels": 1, "n_fft": 128, "hop": 32}
    save(run, "tests.commands.restore.bands:Deaf", arguments, {"part": 1 / 3})
    assert not any(row["restored"] for row in restored(run).values())


def test_decide_export_and_the_manifest_use_what_was_restored(decided_run, alone, raysep, tmp_path):
    run = decided_run()
    uri = restored(run)["c0/bass"]["uri"]
    before = sources(run)
    decision = handling.supplied("restore", run.read_table("decision.parquet"), run)
    run.write_table(decision, "decision.parquet")
    stems = manifest.read(run.path("manifest.parquet"))
    entries = handling.use("restore", rows_of(decision), stems)
    used = {entry.stem.stem_id: entry.used for entry in entries}
    assert len(used) == 12 - 5 + 1
    assert used["c0/bass"].uri == uri
    assert read_stem(used["c0/bass"], RATE, 1).shape == (1, used["c0/bass"].frames)
    out = tmp_path / "out"
    done = export.export(export.Request(run.root, str(out), "copies", handling="restore", quiet=True))
    assert (out / "c0" / "bass.wav").read_bytes() == Path(uri).read_bytes()
    assert (out / "c1" / "other.flac").exists()
    assert not (out / "c1" / "bass.flac").exists()
    assert any("used without what the separator takes for other labels, first c0/bass" in note for note in done.notes)
    assert sources(run) == before
    with pytest.raises(BadInput, match="the source is never written"):
        export.export(export.Request(run.root, f"{run.root}/restored/more", "copies", handling="restore", quiet=True))


def test_a_training_by_it_is_another_one_than_by_the_stem_as_it_was(decided_run, alone):
    run = decided_run()
    restored(run)
    stems = manifest.read(run.path("manifest.parquet"))
    decision = rows_of(handling.supplied("restore", run.read_table("decision.parquet"), run))
    (other,) = handling.unlike(handling.use("restore", decision, stems), stems)
    assert other.stem.stem_id == "c0/bass"
    assert other.stem.etag not in {stem.etag for stem in stems}
    assert handling.unlike(handling.use("drop", decision, stems), stems) == []


def test_a_reference_that_the_separator_heard_in_full_is_refused(decided_run, alone):
    run = decided_run(trusted=3)
    with pytest.raises(BadInput, match="its separator heard all 3 reference tracks"):
        restore(Request(run.root, quiet=True))


def test_a_run_that_has_not_decided_is_refused(tmp_path, alone):
    with pytest.raises(BadInput):
        restore(Request(str(tmp_path), quiet=True))


def test_no_song_is_tried_on_a_network_that_heard_it(make_stems):
    reference = make_stems([f"r{k}" for k in range(6)])
    folds = {f"r{k}": k % 2 for k in range(6)}
    planting = Planting(reference, reference, [], {}, frozenset(), folds)
    found = unheard(planting, reference)
    assert {name: {s.track for s in stems} for name, stems in found.items()} == {
        "probe-reference-0": {"r0", "r2", "r4"},
        "probe-reference-1": {"r1", "r3", "r5"},
    }
    once = Planting([s for s in reference if s.track < "r2"], [], [], {})
    assert once.folds == [Fold(None, once.unlearning, [])]
    assert {s.track for s in unheard(once, reference)["probe-reference"]} == {"r2", "r3", "r4", "r5"}


def test_only_what_is_removed_and_heard_and_has_no_other_label_is_asked(decided_run):
    run = decided_run()
    corpus = manifest.read(run.path("manifest.parquet"))
    found = {stem.stem_id for stem in suspects_of(corpus, run.path("decision.parquet"), LABELS)}
    assert found == {"c0/bass", "c1/bass", "c3/drums"}
    assert {s.stem for s in suspects_of(corpus, run.path("decision.parquet"), ("drums",))} == {"drums"}


def test_faults_follow_from_the_seed_and_the_names_and_leave_the_song_as_it_is():
    stems = {label: audio[None].astype(np.float32) for label, audio in song("r0").items()}
    before = {label: audio.copy() for label, audio in stems.items()}
    first, again, other = (dict(faulty(stems, "bass", "r0", RATE, seed)) for seed in (0, 0, 1))
    assert set(first) == {"clean", *PLANTED}
    assert all(np.array_equal(first[kind], again[kind]) for kind in first)
    assert not np.array_equal(first["bleed-one"], other["bleed-one"])
    assert np.array_equal(first["clean"], stems["bass"])
    assert all(np.array_equal(stems[label], before[label]) for label in stems)


def test_of_a_long_song_the_middle_is_tried():
    audio = {"bass": np.arange(100 * 10, dtype=np.float32)[None]}
    assert middle(audio, 10)["bass"][0, 0] == 350
    assert middle(audio, 10)["bass"].shape == (1, 300)
    assert np.array_equal(middle(audio, 1000)["bass"], audio["bass"])
