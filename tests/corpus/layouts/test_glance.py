from __future__ import annotations

import pytest

from raysep.corpus import manifest
from raysep.corpus.layouts import headers, layout, stems_of
from raysep.corpus.layouts.glance import SAMPLED, glance
from raysep.errors import BadInput


@pytest.fixture
def folder(tmp_path, write_tracks) -> str:
    return write_tracks(tmp_path / "corpus", [f"song {k}" for k in range(20)])


def test_it_finds_what_a_scan_does_and_reads_only_a_few_headers(folder, monkeypatch):
    scanned = stems_of(folder).stems
    read: list[str] = []

    def header(uri, hashed=True):
        assert not hashed
        read.append(uri)
        return headers.header(uri, hashed)

    monkeypatch.setattr("raysep.corpus.layouts.glance.header", header)
    monkeypatch.setattr(layout, "header", None)  # what a scan reads by
    found = glance(folder)
    assert (found.exact, found.headers, len(read)) == (False, SAMPLED, SAMPLED)
    assert [s.stem_id for s in found.stems] == [s.stem_id for s in scanned]
    assert sum(s.frames for s in found.stems) == pytest.approx(sum(s.frames for s in scanned), rel=1e-3)
    assert [s.bytes for s in found.stems] == [s.bytes for s in scanned]


def test_lengths_follow_from_sizes(tmp_path, write_tracks):
    write_tracks(tmp_path / "corpus", ["short"], seconds=1.0)
    write_tracks(tmp_path / "corpus", ["long"], seconds=5.0)
    lengths = {s.track: s.frames for s in glance(str(tmp_path / "corpus")).stems}
    assert lengths == {"short": pytest.approx(8000, rel=0.01), "long": pytest.approx(40000, rel=0.01)}


def test_a_manifest_is_taken_at_its_word(folder, tmp_path, monkeypatch):
    path, stems = str(tmp_path / "m.parquet"), stems_of(folder).stems
    manifest.write(path, stems)
    monkeypatch.setattr("raysep.corpus.layouts.glance.header", None)
    found = glance(path, limit=3)
    assert (found.exact, found.headers) == (True, 0)
    assert found.stems == [s for s in stems if s.track in ("song 0", "song 1", "song 10")]


def test_some_tracks_alone(folder):
    assert {s.track for s in glance(folder, limit=2).stems} == {"song 0", "song 1"}


def test_a_place_without_stems_is_refused(tmp_path):
    with pytest.raises(BadInput):
        glance(str(tmp_path))
