from __future__ import annotations

from raysep.report.evidence.listing import PLACES, listing


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
