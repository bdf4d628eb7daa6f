from __future__ import annotations

import hashlib
import io
import os
from dataclasses import replace

import numpy as np
import pytest
from small_audio import RATE, tones_and_noise, wav

from raysep.corpus import identity, manifest, storage, tags
from raysep.corpus.layouts import stems_of
from raysep.corpus.reading import read_stem
from raysep.errors import AudioError, BadInput


@pytest.mark.parametrize("size", [0, 1, 70_000, identity.BLOCK_BYTES + 1])
def test_every_byte_counts_and_so_does_nothing_else(size, tmp_path):
    data = bytearray(np.random.default_rng(0).bytes(size))
    first = tags.of_bytes(bytes(data))
    assert first == "sha256:" + hashlib.sha256(data).hexdigest()
    (tmp_path / "a").write_bytes(data)
    assert identity.of_file(str(tmp_path / "a")) == identity.of_stream(io.BytesIO(data)) == first
    for at in {0, size // 3, size // 2, size - 1} if size else ():
        data[at] ^= 1
        assert tags.of_bytes(bytes(data)) != first
        data[at] ^= 1


@pytest.fixture
def stem(tmp_path) -> manifest.Stem:
    """One of a scanned corpus of one track."""
    for label in ("bass", "drums"):
        (tmp_path / "A").mkdir(exist_ok=True)
        (tmp_path / "A" / f"{label}.wav").write_bytes(wav(tones_and_noise(label, seconds=1.0)))
    return stems_of(str(tmp_path), ("bass", "drums")).stems[0]


def rows(place: str) -> list[manifest.Stem]:
    return stems_of(place, on_problem="keep").stems


def edit(stem: manifest.Stem) -> None:
    """In the middle, with the same length and form."""
    with open(stem.uri, "r+b") as file:
        file.seek(stem.bytes // 2)
        file.write(bytes(400))


def test_a_file_edited_since_the_scan_is_an_error_wherever_it_was_edited(stem):
    assert read_stem(stem, RATE).shape == (2, RATE)
    edit(stem)
    with pytest.raises(AudioError, match=r"bass\.wav: the file changed since the scan: scan again"):
        read_stem(stem, RATE)
    for etag in ("", "0" * 64):  # a row that does not say, or says it in another way
        assert read_stem(replace(stem, etag=etag), RATE).shape == (2, RATE)


def test_untouched_files_are_known_by_size_and_time(stem):
    gone = replace(stem, uri=stem.uri + ".gone")
    assert identity.untouched([stem, gone, replace(stem, modified=0)]) == [True, False, False]
    os.utime(stem.uri, ns=(0, stem.modified + 1))
    assert identity.untouched([stem]) == [False]
    assert identity.untouched([]) == []


def test_a_manifest_notices_an_edit_and_takes_a_touched_file_for_what_it_is(stem, tmp_path):
    """Its digest becomes another one, so no finished run is taken for one of the file as it is now."""
    place = str(tmp_path / "m.parquet")
    manifest.write(place, [stem])
    assert rows(place) == [stem]
    os.utime(stem.uri, ns=(0, stem.modified + 1))
    assert rows(place) == [stem]
    edit(stem)
    (now,) = rows(place)
    assert now.etag.startswith(tags.CHANGED)
    assert manifest.digest([now]) != manifest.digest([stem])
    with pytest.raises(AudioError, match="the file changed since the scan"):
        read_stem(now, RATE)
    with pytest.raises(BadInput, match=r"bass\.wav: is not what the manifest says; the file changed since the scan"):
        stems_of(place, ("bass",))


@pytest.mark.parametrize("etag", ["", "0" * 64, "d41d8cd98f00b204e9800998ecf8427e-3"])
def test_rows_that_do_not_say_what_the_bytes_were_are_hashed_now_and_this_is_said_once(stem, tmp_path, etag):
    place = str(tmp_path / "m.parquet")
    manifest.write(place, [replace(stem, etag=etag)])
    told: list[str] = []
    (now,) = stems_of(place, on_problem="keep", say=told.append).stems
    assert now.etag == stem.etag
    (line,) = told
    assert "1 of 1 rows do not say" in line
    assert "scan again" in line


@pytest.fixture
def sums(stem, tmp_path) -> manifest.Stem:
    """The bass and the drums together, of different lengths."""
    (tmp_path / "A" / "drums.wav").write_bytes(wav(tones_and_noise("drums", seconds=1.05)))
    (found,) = stems_of(str(tmp_path), ("all",), sums={"all": ("bass", "drums")}).stems
    return found


def test_a_sum_is_known_by_all_its_parts_and_an_edit_in_any_is_named(sums, tmp_path):
    place = str(tmp_path / "m.parquet")
    manifest.write(place, [sums])
    assert rows(place) == [sums]
    assert read_stem(sums, RATE).shape == (2, sums.frames)
    assert identity.of_files(sums) == sums.etag
    second = replace(sums, uri=sums.parts[1], bytes=os.path.getsize(sums.parts[1]))
    at = os.stat(second.uri)
    edit(second)
    os.utime(second.uri, ns=(at.st_atime_ns, at.st_mtime_ns))  # as a copy of another one that keeps its time
    with pytest.raises(AudioError, match=r"drums\.wav: the file changed since the scan"):
        read_stem(sums, RATE)
    (now,) = rows(place)
    assert now.etag.startswith(tags.CHANGED)
    assert manifest.changed([sums], [now]) == [sums.uri]
    with pytest.raises(BadInput, match=r"is not what the manifest says; the file changed since the scan"):
        stems_of(place, ("all",))


def test_a_manifest_is_summed_after_its_files_were_looked_at(stem, tmp_path):
    place = str(tmp_path / "m.parquet")
    found = stems_of(str(tmp_path), ("bass", "drums")).stems
    manifest.write(place, found)
    wanted = {"labels": ("all",), "sums": {"all": ("bass", "drums")}}
    (before,) = stems_of(place, **wanted).stems
    assert before.etag == tags.joined([s.etag for s in found])
    assert read_stem(before, RATE).shape == (2, RATE)
    edit(found[1])
    (now,) = stems_of(place, on_problem="keep", **wanted).stems
    assert tags.is_changed(now.etag)


def test_a_stem_that_its_track_changed_alone_is_no_changed_file(stem):
    longer = replace(stem, frames=stem.frames + 9, padding=9)
    assert manifest.changed([stem], [longer, replace(stem, problem="x", frames=0)]) == []


def test_a_store_is_not_asked_again_for_sums_and_padded_stems_that_are_as_before(bucket, asked):
    for label, seconds in (("bass", 0.2), ("drums", 0.25), ("vocals", 0.3)):
        storage.write_bytes(f"{bucket}/d/A/{label}.wav", wav(tones_and_noise(label, seconds=seconds)))
    wanted = {"labels": ("vocals", "rest"), "sums": {"vocals": ("vocals",), "rest": ("bass", "drums")}}
    before = stems_of(f"{bucket}/d", **wanted).stems
    assert {s.stem: bool(s.padding) for s in before} == {"rest": True, "vocals": False}
    asked.clear()
    assert stems_of(f"{bucket}/d", known=before, **wanted).stems == before
    assert not [uri for uri in asked if uri.endswith(".wav")]
    storage.write_bytes(f"{bucket}/d/A/drums.wav", wav(tones_and_noise("drums", seconds=0.24)))
    asked.clear()
    assert stems_of(f"{bucket}/d", known=before, **wanted).stems != before
    assert sorted(uri for uri in asked if uri.endswith(".wav")) == [f"{bucket}/d/A/bass.wav", f"{bucket}/d/A/drums.wav"]


def test_many_files_of_a_store_are_looked_up_by_lists_of_a_thousand(bucket, asked):
    for number in range(30):
        storage.write_bytes(f"{bucket}/d/{number % 3}/{number}.wav", bytes(number))
    uris = [f"{bucket}/d/{number % 3}/{number}.wav" for number in range(31)]
    asked.clear()
    found = identity.sizes_and_times(uris)
    assert [size for size, _ in found.values()] == [*range(30), 0]
    assert [bool(time) for _, time in found.values()] == [True] * 30 + [False]
    assert asked == [f"{bucket}/d", uris[-1]]  # what no list tells is asked for by itself
    asked.clear()
    few = dict(list(found.items())[:3])
    assert identity.sizes_and_times(few) == few
    assert sorted(asked) == sorted(few)


def test_a_list_is_not_taken_far_beyond_what_is_looked_for(bucket, asked, monkeypatch):
    monkeypatch.setattr(identity, "LISTED_TIMES", 1)
    for number in range(40):
        storage.write_bytes(f"{bucket}/d/{'a' if number < 20 else 'b'}/{number}.wav", bytes(number))
    uris = [f"{bucket}/d/{'a' if number < 20 else 'b'}/{number}.wav" for number in (*range(19, 36), 39)]
    asked.clear()
    assert [size for size, _ in identity.sizes_and_times(uris).values()] == [*range(19, 36), 39]
    assert sorted(asked) == sorted([f"{bucket}/d", *uris[1:]])
