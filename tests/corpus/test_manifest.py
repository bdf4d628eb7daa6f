from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest

from raysep.corpus import manifest
from raysep.corpus.manifest import Stem
from raysep.errors import BadInput


def stem(track: str, label: str, **changes) -> Stem:
    made = Stem(
        manifest.stem_id(track, label), track, label, f"/c/{track}/{label}.wav", 44_100, 2, 441_000, "WAV/PCM_16",
        1_764_044, "abc",
    )  # fmt: skip
    return replace(made, **changes)


STEMS = [stem(track, label) for track in ("B", "A") for label in ("vocals", "bass")]


def test_what_is_written_is_read(tmp_path):
    uri = str(tmp_path / "manifest.parquet")
    manifest.write(uri, STEMS)
    assert manifest.read(uri) == sorted(STEMS)


def test_an_empty_manifest_is_possible(tmp_path):
    manifest.write(str(tmp_path / "m.parquet"), [])
    assert manifest.read(str(tmp_path / "m.parquet")) == []


def test_order_does_not_change_the_file(tmp_path):
    manifest.write(str(tmp_path / "1"), STEMS)
    manifest.write(str(tmp_path / "2"), STEMS[::-1])
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


def test_one_of_many_rows_is_written_and_read_a_group_at_a_time(tmp_path, monkeypatch):
    """The same stems, whatever the groups, and what made the file stands in it; a row that is told of is counted over all."""
    from raysep.corpus.tables import made_by

    uri, whole = str(tmp_path / "m.parquet"), str(tmp_path / "whole.parquet")
    manifest.write(whole, STEMS, by="scan")
    monkeypatch.setattr(manifest, "ROWS", 3)
    monkeypatch.setattr(manifest, "ROWS_AT_A_TIME", 2)
    manifest.write(uri, STEMS, by="scan")
    assert manifest.read(uri) == manifest.read(whole) == sorted(STEMS)
    assert made_by(uri) == made_by(whole) == "scan"
    assert dict(manifest.kept(uri)) == dict(manifest.kept(whole))
    lacking = rewritten(tmp_path, with_column("frames", lambda c: pa.array([*c.to_pylist()[:3], None], c.type)))
    with pytest.raises(BadInput, match="row 4 has no frames"):
        manifest.read(lacking)
    twice = rewritten(tmp_path, with_column("stem_id", lambda c: pa.array(["A/x", "B/x", "C/x", "A/x"])))
    with pytest.raises(BadInput, match="1 stems have more than one row, first A/x"):
        manifest.read(twice)


def test_something_else_is_refused_with_the_remedy(tmp_path):
    (tmp_path / "m.parquet").write_bytes(b"no parquet")
    with pytest.raises(BadInput, match=r"m\.parquet: not a manifest.*raysep scan"):
        manifest.read(str(tmp_path / "m.parquet"))
    with pytest.raises(BadInput, match=r"absent\.parquet: no such manifest.*raysep scan"):
        manifest.read(str(tmp_path / "absent.parquet"))


def test_another_table_is_refused(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"track": ["A"]}), tmp_path / "m.parquet")
    with pytest.raises(BadInput, match="not a manifest"):
        manifest.read(str(tmp_path / "m.parquet"))


def test_tracks_and_labels():
    tracks = manifest.tracks_of(STEMS)
    assert list(tracks) == ["A", "B"]
    assert tracks["A"]["bass"].stem_id == "A/bass"
    assert manifest.labels_of(STEMS) == ("bass", "vocals")


def test_the_digest_follows_the_content_and_not_the_address():
    digest = manifest.digest(STEMS)
    assert manifest.digest([replace(s, uri="s3://elsewhere/x") for s in reversed(STEMS)]) == digest
    for change in ({"etag": "abd"}, {"frames": 441_001}, {"sample_rate": 48_000}, {"bytes": 1}, {"channels": 1}):
        assert manifest.digest([*STEMS[:-1], replace(STEMS[-1], **change)]) != digest
    assert manifest.digest(STEMS[:-1]) != digest


def test_a_stem_that_is_asked_for_is_the_one_that_is_read(tmp_path):
    """Several files, decomposed names and no stem of that name among them."""
    uri, parts = str(tmp_path / "m.parquet"), ("/x/c/1.wav", "/x/c/2.wav")
    stems = [stem("b", "bass"), stem("a", "drums"), stem("a", "bass")]
    stems += [replace(stem("e\u0301", "bass"), uri=parts[0], parts=parts)]
    manifest.write(uri, stems)
    found, read = manifest.kept(uri), manifest.read(uri)
    assert dict(found) == {each.stem_id: each for each in read}
    assert "\u00e9/bass" in found
    assert "c/bass" not in found
    assert found.of_track("a") == [each for each in read if each.track == "a"]
    assert sorted(set(found.uris())) == sorted({uri for each in read for uri in each.uris})


def test_what_is_no_manifest_is_refused_however_it_is_read(tmp_path):
    for way in (manifest.read, manifest.kept):
        with pytest.raises(BadInput, match="no such manifest"):
            way(str(tmp_path / "none.parquet"))


def rewritten(tmp_path, change) -> str:
    """A manifest whose table another program has changed."""
    import pyarrow.parquet as pq

    uri = str(tmp_path / "m.parquet")
    manifest.write(uri, STEMS)
    pq.write_table(change(pq.read_table(uri)), uri)
    return uri


def with_column(name: str, values):
    def change(table):
        column = values(table[name])
        return table.set_column(table.column_names.index(name), name, column)

    return change


@pytest.mark.parametrize(
    "change",
    [
        with_column("stem", lambda column: column.dictionary_encode()),
        with_column("uri", lambda column: column.cast("large_string")),
        with_column("uri", lambda column: column.cast(pa.string_view())),
        with_column("frames", lambda column: column.cast("double")),
        with_column("sample_rate", lambda column: column.cast("int64")),
        with_column("frames", lambda column: column.cast("string")),
        with_column("padding", lambda column: pa.nulls(4)),
        with_column("problem", lambda column: pa.nulls(4, "string")),
        lambda table: table.append_column("mine", [[1, 2, 3, 4]]),
    ],
)
def test_what_other_programs_make_of_the_columns_is_read_alike(tmp_path, change):
    assert manifest.read(rewritten(tmp_path, change)) == sorted(STEMS)


@pytest.mark.parametrize("name", manifest.NEEDED)
def test_a_row_that_lacks_what_it_needs_is_told(tmp_path, name):
    uri = rewritten(tmp_path, with_column(name, lambda c: pa.array([*c.to_pylist()[:3], None], c.type)))
    with pytest.raises(BadInput, match=rf"m\.parquet: not a manifest \(row 4 has no {name}\)"):
        manifest.read(uri)


def test_a_column_that_cannot_be_ours_is_told(tmp_path):
    with pytest.raises(BadInput, match=r"not a manifest \(column frames: .*1\.5"):
        manifest.read(rewritten(tmp_path, with_column("frames", lambda column: pa.array([1.5] * 4))))


def test_two_rows_of_one_identity_are_refused_in_whatever_form_they_are_written(tmp_path):
    names = ["u\u0308/bass", "\u00fc/bass", "B/bass", "B/vocals"]
    for ids in (names, ["A/bass", *names[2:], "A/bass"]):
        with pytest.raises(BadInput, match=r"1 stems have more than one row, first .*/bass; keep one of each"):
            manifest.read(rewritten(tmp_path, with_column("stem_id", lambda column, ids=ids: pa.array(ids))))


def test_paths_that_are_not_absolute_lie_below_the_manifests_own_folder(tmp_path, make_stems):
    import pyarrow.parquet as pq

    one, other, *_ = make_stems(["A"])
    mixed = [replace(one, uri="A/vocals.wav", parts=("A/vocals.wav", "s3://music/b.wav", "/c.wav")), other]
    (tmp_path / "lists").mkdir()
    pq.write_table(pq.read_table(pa.BufferReader(manifest.to_bytes(mixed))), tmp_path / "lists" / "m.parquet")
    found = {stem.stem_id: stem for stem in manifest.read(str(tmp_path / "lists" / "m.parquet"))}
    below = f"{tmp_path}/lists/A/vocals.wav"
    assert (found[one.stem_id].uri, found[one.stem_id].parts) == (below, (below, "s3://music/b.wav", "/c.wav"))
    assert found[other.stem_id] == other


def test_a_row_that_has_the_values_already_is_itself(make_stems):
    (row, *_) = make_stems(["A"])
    assert manifest.with_values(row, stem=row.stem, track="A") is row
    assert manifest.with_values(row, stem="other", padding=3) == replace(row, stem="other", padding=3)
