from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_audio import LABELS, tones_and_noise, wav

from raysep.corpus import manifest, storage
from raysep.corpus.layouts import Layout, Scan, stems_of
from raysep.corpus.layouts.headers import to_stem
from raysep.corpus.layouts.limit import first_of


@given(st.lists(st.text("abc é", min_size=1, max_size=3)), st.none() | st.integers(1, 9))
def test_it_takes_the_first_in_the_order_of_their_names_and_says_so_only_where_some_are_left(tracks, most):
    kept, notes = first_of(tracks, most)
    assert kept == set(sorted(set(tracks))[:most])
    assert bool(notes) == (kept != set(tracks))


@pytest.fixture
def corpus(tmp_path) -> str:
    for track in ("B", "A", "C"):
        for label in LABELS:
            storage.write_bytes(f"{tmp_path}/c/{track}/{label}.wav", wav(tones_and_noise(label, ord(track), 0.2)))
    return f"{tmp_path}/c"


def test_only_files_of_the_first_tracks_are_read(corpus, monkeypatch):
    opened, original, told = [], storage.open_whole, []
    monkeypatch.setattr(storage, "open_whole", lambda uri: opened.append(uri) or original(uri))
    found = stems_of(corpus, limit=2, say=told.append)
    assert sorted({s.track for s in found.stems}) == sorted({Path(uri).parent.name for uri in opened}) == ["A", "B"]
    assert len(opened) == 8
    assert told[0].startswith(f"note: {corpus}: the first 2 of 3 tracks alone (--limit), up to B")
    told.clear()
    assert stems_of(corpus, limit=3, say=told.append).stems == stems_of(corpus).stems
    assert not any("--limit" in text for text in told)


def test_a_manifest_and_a_list_are_limited_too(corpus, tmp_path, monkeypatch):
    manifest.write(f"{tmp_path}/m.parquet", stems_of(corpus).stems)
    rows = [f"{s.track},{s.stem},{s.uri}" for s in stems_of(corpus).stems]
    (tmp_path / "l.csv").write_text("\n".join(["track,stem,path", *rows]))
    for uri in Path(corpus).glob("C/*"):
        os.remove(uri)  # nobody asks for it
    for place in ("m.parquet", "l.csv"):
        assert stems_of(f"{tmp_path}/{place}", limit=2).stems == stems_of(corpus).stems


def test_what_is_wrong_with_later_tracks_is_left_out(corpus):
    for track in "AC":
        storage.write_bytes(f"{corpus}/{track}/bass.wav", b"no audio")
    problems = stems_of(corpus, limit=2, on_problem="collect").problems
    assert [(p.track, p.stem) for p in problems] == [("A", "bass")]


class Own(Layout):
    """One that makes its rows itself."""

    def scan(self, place) -> Scan:
        return Scan(sorted(to_stem(f.path.parent.name, f.path.stem, f, None, "", "train") for f in place.audio))


def test_a_layout_that_does_not_know_of_it_is_limited_afterwards(corpus):
    own = f"{__name__}:Own"
    assert {s.track for s in stems_of(corpus, layout=own, limit=1, on_problem="collect").stems} == {"A"}
