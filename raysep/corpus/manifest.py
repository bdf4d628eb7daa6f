"""The manifest: one row per stem, and nothing about whether the stem is right.

Truth labels live in a table of their own, which no code path of cleaning opens.
"""

from __future__ import annotations

import hashlib
import posixpath
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import repeat, starmap
from operator import attrgetter, lt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from raysep.audio.resample import resampled_frames
from raysep.corpus import storage, tags
from raysep.corpus.columns import ROWS, columns_of_file
from raysep.corpus.lookup import row_of, texts
from raysep.corpus.tables import marked, parquet_bytes
from raysep.errors import BadInput

SCHEMA = pa.schema(
    [
        ("stem_id", pa.string()),
        ("track", pa.string()),
        ("stem", pa.string()),
        ("uri", pa.string()),
        ("sample_rate", pa.int32()),
        ("channels", pa.int16()),
        ("frames", pa.int64()),
        ("format", pa.string()),
        ("bytes", pa.int64()),
        ("etag", pa.string()),
        ("split", pa.string()),
        ("parts", pa.list_(pa.string())),
        ("padding", pa.int64()),
        ("has_bleed", pa.bool_()),
        ("problem", pa.string()),
        ("modified", pa.int64()),
    ]
)
ABSOLUTE = r"^/|://"  # of a file's place
ROWS_AT_A_TIME = 4096  # as dictionaries, which take ten times the room
NAMES = ("stem_id", "track", "stem")  # in the form that a scan gives them
SHARED = ("track", "stem", "format", "split", "problem", "sample_rate")  # values that many rows have in common
LASTING = ("frames", "bytes")  # numbers that the rows of a track may have in common
LATER = ("parts", "padding", "has_bleed", "problem", "modified")  # columns that older manifests lack
NEEDED = ("stem_id", "track", "stem", "uri", "sample_rate", "channels", "frames")  # in every row
MISSING = {
    "format": "",
    "bytes": 0,
    "etag": "",
    "split": "",
    "padding": 0,
    "problem": "",
    "modified": 0,
}  # … of the others


@dataclass(frozen=True, order=True, slots=True)
class Stem:
    """One (track, stem label): the unit that is scored, kept or removed."""

    stem_id: str  # "track/stem": the same wherever the corpus is stored
    track: str
    stem: str  # the label: "vocals", "drums", …
    uri: str
    sample_rate: int  # Hz
    channels: int
    frames: int  # samples per channel
    format: str
    bytes: int
    etag: str  # of the content, the same in every store: see ``raysep.corpus.tags``; "" when it could not be read
    split: str = "train"
    parts: tuple[str, ...] = ()  # the URIs of the files whose sum it is, where there are several; ``uri`` is the first
    padding: int = 0  # samples of silence after its own, among ``frames``
    has_bleed: bool | None = None  # by the corpus's own word, where it says so
    problem: str = ""  # why it is not used though its file can be read: then rate, channels and frames are 0
    modified: int = field(
        default=0, compare=False
    )  # nanoseconds since 1970 when the store last saw a change, of several files the last; 0: unknown

    @property
    def uris(self) -> tuple[str, ...]:
        """Every file that it is made of."""
        return self.parts or (self.uri,)


def stem_id(track: str, stem: str) -> str:
    return f"{track}/{stem}"


def tracks_of(stems: Iterable[Stem]) -> dict[str, dict[str, Stem]]:
    """track → label → stem, tracks in name order."""
    tracks: dict[str, dict[str, Stem]] = defaultdict(dict)
    for stem in in_order(stems):
        tracks[stem.track][stem.stem] = stem
    return dict(tracks)


def with_values(row: Stem, /, **values: Any) -> Stem:
    """``replace(row, **values)``, or the row itself where it has them already: of a hundred thousand, copies take seconds."""
    return row if all(getattr(row, name) == value for name, value in values.items()) else replace(row, **values)


def summed(track: str, label: str, members: Sequence[Stem]) -> Stem:
    """The stem that is the sum of several, as long as the longest; of one file it is that one under the label.

    Rate and format are those of the first: parts of other rates are resampled when they are read. It is as unusable as
    any of its parts.
    """
    first = members[0]
    named = with_values(first, stem_id=stem_id(track, label), track=track, stem=label)
    if len(members) == 1:
        return named
    parts = tuple(uri for stem in members for uri in stem.uris)
    named = replace(
        named,
        parts=parts,
        bytes=sum(s.bytes for s in members),
        etag=tags.joined([s.etag for s in members]),
        padding=0,
        modified=max(s.modified for s in members) if all(s.modified for s in members) else 0,
    )
    if not all(s.frames for s in members):
        problem = next((s.problem for s in members if s.problem), "")
        return replace(named, sample_rate=0, channels=0, frames=0, problem=problem)
    rate = first.sample_rate
    return replace(
        named,
        frames=max(resampled_frames(s.frames - s.padding, s.sample_rate, rate) for s in members),
        channels=max(s.channels for s in members),
        has_bleed=None if all(s.has_bleed is None for s in members) else any(s.has_bleed for s in members),
    )


def labels_of(stems: Iterable[Stem]) -> tuple[str, ...]:
    return tuple(sorted({stem.stem for stem in stems}))


def write(uri: str, stems: Iterable[Stem], by: str = "") -> None:
    """The manifest of the stems; a large one by way of the disk, a group of rows after another. ``by`` as for ``to_bytes``."""
    rows = in_order(stems)
    if len(rows) <= ROWS:
        storage.write_bytes(uri, to_bytes(rows, by))
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "manifest.parquet"
        with pq.ParquetWriter(file, _of(rows[:0], by).schema) as writer:
            for first in range(0, len(rows), ROWS):
                writer.write_table(_of(rows[first : first + ROWS], by))
        storage.upload(file, uri)


def to_bytes(stems: Iterable[Stem], by: str = "") -> bytes:
    """A manifest as the bytes of its file. ``by``: the command that writes it, and may therefore replace it."""
    return parquet_bytes(_of(in_order(stems), by))


def _of(rows: Sequence[Stem], by: str) -> pa.Table:
    some = (rows[first : first + ROWS_AT_A_TIME] for first in range(0, len(rows), ROWS_AT_A_TIME))
    table = pa.Table.from_batches(map(_batch, some), SCHEMA)
    return marked(table, by) if by else table


def _batch(rows: Sequence[Stem]) -> pa.RecordBatch:
    """Of one stem at least."""
    columns = zip(*map(attrgetter(*SCHEMA.names), rows), strict=True)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


def in_order(stems: Iterable[Stem]) -> list[Stem]:
    """Sorted; where all differ in their names, as in a manifest, nothing else of them is compared."""
    found = sorted(stems, key=attrgetter("stem_id"))
    names = [stem.stem_id for stem in found]
    return found if all(map(lt, names, names[1:])) else sorted(found)


def read(uri: str) -> list[Stem]:
    """Its rows. Columns of other types, as other programs write them, are turned into ours where nothing is lost by it, and
    paths that are neither absolute nor URIs lie below the manifest's own folder.

    Raises ``BadInput`` for what is no manifest, for a row that lacks what it needs, and for two rows of one identity.
    """
    with _told(uri):
        texts: dict[Any, Any] = {}
        found = [stem for batch in _some(uri) for stem in _stems(batch, texts)]
        names = [stem.stem_id for stem in found]
        if not all(map(lt, names, names[1:])):  # as it was written: else two may be one
            _refuse_twice(pa.array(names, pa.string()))
        return found


def _some(uri: str) -> Iterator[pa.RecordBatch]:
    """The rows of a manifest's file, as ``_table`` makes them, of which no more are held."""
    file, first = columns_of_file(uri), 0
    for block in file.blocks(_names_of(file.column_names), ROWS_AT_A_TIME):
        columns = {name: _column(name, block[name], first) for name in block.column_names}
        yield from _placed(pa.table(columns), posixpath.dirname(uri)).to_batches()
        first += len(block)


def _names_of(there: Sequence[str]) -> list[str]:
    """The columns of a manifest, of those that are there. Raises ``KeyError`` for one that it lacks."""
    names = [name for name in SCHEMA.names if name not in LATER or name in there]
    if lacking := [name for name in names if name not in there]:
        raise KeyError(f"no column {', '.join(lacking)}")
    return names


def kept(uri: str) -> Kept:
    """The same, of which only what is asked for is made."""
    with _told(uri):
        return Kept(_table(uri))


def _table(uri: str) -> pa.Table:
    table = storage.read_table(uri)
    return _placed(_typed(table.select(_names_of(table.column_names))), posixpath.dirname(uri))


@contextmanager
def _told(uri: str) -> Iterator[None]:
    """What cannot be read as a manifest is a ``BadInput`` that says so."""
    try:
        yield
    except FileNotFoundError as error:
        raise BadInput(f"{uri}: no such manifest; make one with `raysep scan CORPUS --out {uri}`") from error
    except (OSError, pa.ArrowInvalid, KeyError, ValueError) as error:
        raise BadInput(f"{uri}: not a manifest ({error}); make one with `raysep scan CORPUS --out {uri}`") from error


class Kept(Mapping[str, Stem]):
    """stem_id → stem, held as the columns of a manifest: a third of what as many stems take."""

    def __init__(self, table: pa.Table) -> None:
        columns = {name: table[name].combine_chunks() for name in table.column_names}
        for name in NAMES:
            columns[name] = pc.utf8_normalize(columns[name], "NFC")
        self._table = pa.table(columns)
        self._row_of = row_of(columns["stem_id"])

    def __getitem__(self, stem_id: str) -> Stem:
        return self._made(self._table.slice(self._row_of[stem_id], 1))[0]

    def __iter__(self) -> Iterator[str]:
        return iter(self._row_of)

    def __len__(self) -> int:
        return len(self._row_of)

    def of_track(self, track: str) -> list[Stem]:
        """In the manifest's order."""
        return self._made(self._table.filter(pc.equal(self._table["track"], track)))

    def uri(self, stem_id: str) -> str:
        """What ``Stem.uri`` is, of which nothing else is made."""
        return str(self._table["uri"][self._row_of[stem_id]].as_py())

    def uris(self) -> Iterator[str]:
        """Every file that they are made of."""
        yield from texts(self._table["uri"])
        if "parts" in self._table.column_names:
            yield from texts(self._table["parts"].combine_chunks().flatten())

    def _made(self, rows: pa.Table) -> list[Stem]:
        return [stem for batch in rows.to_batches() for stem in _stems(batch, {})]


def _typed(table: pa.Table) -> pa.Table:
    """The columns in the types of ``SCHEMA``, without gaps. Raises ``ValueError`` naming what is missing, or there twice."""
    columns = {name: _column(name, table[name]) for name in table.column_names}
    _refuse_twice(pc.utf8_normalize(columns["stem_id"], "NFC"))
    return pa.table(columns)


def _refuse_twice(ids: pa.Array | pa.ChunkedArray) -> None:
    """Raise ``ValueError`` for names that are there more than once."""
    if len(ids.unique()) < len(ids):
        twice = [each["values"] for each in ids.value_counts().to_pylist() if each["counts"] > 1]
        raise ValueError(f"{len(twice)} stems have more than one row, first {twice[0]}; keep one of each")


def _placed(table: pa.Table, folder: str) -> pa.Table:
    """The table with all paths absolute."""
    for name in ("uri", "parts"):
        if name not in table.column_names:
            continue
        column = table[name].combine_chunks()
        paths = column.flatten() if name == "parts" else column
        if len(paths) and pc.any(pc.invert(pc.match_substring_regex(paths, ABSOLUTE))).as_py():
            rows = column.to_pylist()
            whole = (
                [[storage.beside(folder, path) for path in row or ()] for row in rows]
                if name == "parts"
                else [storage.beside(folder, path) for path in rows]
            )
            table = table.set_column(table.column_names.index(name), name, pa.array(whole, SCHEMA.field(name).type))
    return table


def _column(name: str, values: pa.ChunkedArray, before: int = 0) -> pa.ChunkedArray:
    """``before``: how many rows there are before these."""
    if values.null_count and name in NEEDED:
        raise ValueError(f"row {before + values.is_null().index(True).as_py() + 1} has no {name}")
    try:
        values = values.cast(SCHEMA.field(name).type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ValueError(f"column {name}: {error}") from None
    return values.fill_null(MISSING[name]) if name in MISSING else values


def _stems(batch: pa.RecordBatch, texts: dict[Any, Any]) -> Iterator[Stem]:
    """Of a table's rows; names in the form that a scan gives them. ``texts``: those that were read, so that equal ones are one."""

    def values(name: str) -> Iterable[Any]:
        if name not in there or there[name].null_count == batch.num_rows:
            return repeat(Stem.__dataclass_fields__[name].default if name in LATER else None, batch.num_rows)
        column = pc.utf8_normalize(there[name], "NFC") if name in NAMES else there[name]
        read = column.to_pylist()
        if name in SHARED:
            return map(texts.setdefault, read, read)
        if name in LASTING:
            return _once(read)
        return (tuple(parts or ()) for parts in read) if name == "parts" else read

    there = dict(zip(batch.schema.names, batch.columns, strict=True))
    return starmap(Stem, zip(*map(values, SCHEMA.names), strict=True))


def _once(values: Iterable[Any]) -> Iterator[Any]:
    """The values, of which equal ones in a row are one: a number takes as much room as four places in a row of them."""
    last = None
    for value in values:
        if value != last:
            last = value
        yield last


def digest(stems: Iterable[Stem]) -> str:
    """A fingerprint of the content: equal for the same stems at another address, different when a file changed."""
    found = hashlib.sha256()
    for number, s in enumerate(in_order(stems)):
        line = f"{s.stem_id}\t{s.frames}\t{s.sample_rate}\t{s.channels}\t{s.bytes}\t{s.etag}"
        found.update((("\n" if number else "") + line).encode())
    return found.hexdigest()


def changed(before: Iterable[Stem], now: Iterable[Stem]) -> list[str]:
    """URIs, as they are now, of the stems in both that are not the same file any more.

    What a file's track made of it, silence at its end or a problem, is not looked at.
    """
    known = {stem.stem_id: (stem.bytes, stem.etag) for stem in before}
    return [s.uri for s in sorted(now) if known.get(s.stem_id, (s.bytes, s.etag)) != (s.bytes, s.etag)]
