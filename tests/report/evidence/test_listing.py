from __future__ import annotations

from raysep.report.evidence.listing import PLACES, listing
from raysep.report.evidence.of_run import Evidence
from raysep.rundir import Run


def test_every_stem_is_there_the_most_suspect_first(evidence):
    found = listing(evidence)
    ids = [
        f"{found.tracks[t]}/{found.labels[k]}"
        for t, k in zip(found.columns["track"], found.columns["label"], strict=True)
    ]
    assert sorted(ids) == sorted(evidence.decision)
    assert found.columns["suspicion"] == sorted(found.columns["suspicion"], reverse=True)
    assert {len(column) for column in found.columns.values()} == {len(ids)}
    assert found.labels == ["bass", "drums", "other", "vocals"]
    for name, place, file in zip(ids, found.columns["place"], found.columns["file"], strict=True):
        assert PLACES[place] == ("kept" if evidence.decision[name]["keep"] else "removed")
        assert found.root + file.replace("*", name.split("/")[0], 1) == evidence.stems[name].uri
    assert found.kinds[0] == ""
    assert found.left_out == 0


def test_what_is_too_much_for_a_page_is_left_out_from_the_least_suspect_on(evidence):
    all_of_them, few = listing(evidence), listing(evidence, text_bytes=1000)
    kept = len(few.columns["track"])
    assert 0 < kept < len(all_of_them.columns["track"])
    assert few.left_out == len(all_of_them.columns["track"]) - kept
    assert few.columns["suspicion"] == all_of_them.columns["suspicion"][:kept]


def test_the_page_of_a_run_that_was_made_with_verdicts_begins_with_them(evidence, made_run, tmp_path):
    """A next verdicts.csv holds all of them, so that no review forgets the first."""
    assert listing(evidence).said == ()
    run = Run(str(tmp_path / "run"))
    for name in ("manifest.parquet", "decision.parquet", "stems.parquet", "run.json"):
        run.write_bytes(made_run.read_bytes(name), name)
    run.write_bytes(b"stem_id,verdict,note\nsong-00/bass,keep,mine\nno song/bass,remove,\n", "verdicts.csv")
    found = listing(Evidence(run))
    assert found.said == (("song-00/bass", "keep", "mine"),)
    assert found.key.startswith(f"{listing(evidence).key} ")
    assert listing(Evidence(run), said=[]).said == ()
