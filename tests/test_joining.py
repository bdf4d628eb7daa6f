from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysep import joining
from raysep.corpus import manifest
from raysep.corpus.layouts import stems_of
from raysep.corpus.manifest import Stem
from raysep.errors import BadInput, RunConflict
from raysep.rundir import Run


def row(track: str, content: int, label: str = "bass", uri: str = "") -> Stem:
    return Stem(f"{track}/{label}", track, label, uri or f"/x/{track}.wav", 8000, 1, 9, "", 9, f"sha256:{content}")


def said_to(told: list[str] | None = None):
    return [].append if told is None else told.append


corpora = st.dictionaries(st.sampled_from("ABCDEF"), st.integers(0, 2))


@given(corpora, corpora)
def test_just_the_tracks_are_new_that_were_not_there_with_the_same_content(before, now):
    new = {track for track, content in now.items() if before.get(track) != content}
    was, there = ([row(*item) for item in each.items()] for each in (before, now))
    if new:
        assert {s.track for s in joining.only_new(there, was, "first", said_to())} == new
    else:
        with pytest.raises(BadInput, match="--after first: has judged all"):
            joining.only_new(there, was, "first", said_to())


def test_a_track_with_a_further_stem_is_judged_anew_and_all_is_said():
    before = [row("A", 1), row("B", 1), row("C", 1)]
    now = [row("A", 1), row("B", 1), row("B", 2, "drums"), row("C", 1), row("D", 1)]
    told: list[str] = []
    assert joining.only_new(now, before, "first", told.append) == [now[1], now[2], now[4]]
    assert told == [
        "after first: 1 new, first D; 1 changed, first B: judged by themselves, with networks of their own; 2 tracks are as "
        "they were and keep their verdicts"
    ]


@pytest.fixture
def decided(tmp_path):
    """decided(name, judged, kept, after): a run's folder, as far as these functions look into it."""

    def make(name: str, judged: list[Stem], kept: list[Stem], after: Run | None = None) -> Run:
        run = Run(str(tmp_path / name))
        run.write_json({"after": after.root} if after else {}, "run.json")
        manifest.write(run.path("manifest.parquet"), judged)
        manifest.write(run.path("cleaned.parquet"), kept)
        run.write_table(pa.table({"x": [1]}), "decision.parquet")
        return run

    return make


def test_what_is_kept_of_a_chain_of_runs_is_one_manifest(decided, write_tracks, tmp_path):
    one, two, three = (
        stems_of(write_tracks(tmp_path / name, tracks)).stems
        for name, tracks in (("1", "AB"), ("2", ["B", "C"]), ("3", "D"))
    )
    first = decided("first", one, one[1:])
    second = decided("second", two, two[:-1])
    told = joining.join(second, first.root)
    assert told == f"{second.path('joined.parquet')}: 3 stems that were kept before and 7 of the new"
    assert manifest.read(second.path("joined.parquet")) == [*one[1:4], *two[:-1]]
    assert joining.judged(joining.chain(second.root)) == [*one[:4], *two]
    third = decided("third", three, three)
    joining.join(third, second.root)
    assert manifest.read(third.path("joined.parquet")) == [*one[1:4], *two[:-1], *three]
    assert joining.judged(joining.chain(third.root)) == [*one[:4], *two, *three]


def test_files_that_are_gone_are_left_out_and_named(decided, write_tracks, tmp_path):
    there = stems_of(write_tracks(tmp_path / "c", "A")).stems
    gone, new = row("B", 1, uri=f"{tmp_path}/no.wav"), row("C", 1)
    second = decided("second", [new], [new])
    told = joining.join(second, decided("first", [*there, gone], [*there, gone]).root)
    assert told.endswith(
        f": 4 stems that were kept before and 1 of the new; 1 more are not where they were, first {gone.uri}"
    )
    assert manifest.read(second.path("joined.parquet")) == [*there, new]


def test_a_run_that_is_not_decided_is_none_to_come_after(decided, tmp_path):
    with pytest.raises(BadInput, match="no run here"):
        joining.chain(str(tmp_path))
    run = decided("first", [], [])
    (tmp_path / "first" / "decision.parquet").unlink()
    with pytest.raises(BadInput, match=r"has no decision\.parquet yet"):
        joining.chain(run.root)


def test_who_gives_an_old_run_a_corpus_that_grew_is_told_the_way(decided):
    run = decided("first", [row("A", 1), row("B", 1)], [])
    told = joining.way_out(run, [row("A", 1), row("B", 1), row("C", 1)])
    assert told.startswith("; 1 tracks of the corpus are new since then, first C")
    assert f"--after {run.root}" in told
    for other in ([row("A", 1), row("B", 1)], [row("A", 1), row("C", 1)], [row("A", 2), row("B", 1), row("C", 1)]):
        assert joining.way_out(run, other) == ""
    with pytest.raises(RunConflict, match=r"or delete that folder; 1 tracks of the corpus"):
        run.open("other", {}, told)
