"""The manifest: one row per stem, and nothing about whether the stem is right.

Truth labels live in a table of their own, which no code path of cleaning opens.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import pyarrow as pa

from raysep.corpus import storage
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
    ]
)


@dataclass(frozen=True, order=True)
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
    etag: str  # a fingerprint of the content, the same in every store; changes when the content does
    split: str = "train"


def stem_id(track: str, stem: str) -> str:
    return f"{track}/{stem}"


def tracks_of(stems: Iterable[Stem]) -> dict[str, dict[str, Stem]]:
    """track → label → stem, tracks in name order."""
    tracks: dict[str, dict[str, Stem]] = defaultdict(dict)
    for stem in sorted(stems):
        tracks[stem.track][stem.stem] = stem
    return dict(tracks)


def labels_of(stems: Iterable[Stem]) -> tuple[str, ...]:
    return tuple(sorted({stem.stem for stem in stems}))


def write(uri: str, stems: Iterable[Stem], by: str = "") -> None:
    storage.write_bytes(uri, to_bytes(stems, by))


def to_bytes(stems: Iterable[Stem], by: str = "") -> bytes:
    """A manifest as the bytes of its file. ``by``: the command that writes it, and may therefore replace it."""
    table = pa.Table.from_pylist([asdict(stem) for stem in sorted(stems)], schema=SCHEMA)
    return parquet_bytes(marked(table, by) if by else table)


def read(uri: str) -> list[Stem]:
    try:
        table = storage.read_table(uri)
        return [Stem(**row) for row in table.select(SCHEMA.names).to_pylist()]
    except FileNotFoundError as error:
        raise BadInput(f"{uri}: no such manifest; make one with `raysep scan CORPUS --out {uri}`") from error
    except (pa.ArrowInvalid, KeyError) as error:
        raise BadInput(f"{uri}: not a manifest ({error}); make one with `raysep scan CORPUS --out {uri}`") from error


def digest(stems: Iterable[Stem]) -> str:
    """A fingerprint of the content: equal for the same stems at another address, different when a file changed."""
    lines = (f"{s.stem_id}\t{s.frames}\t{s.sample_rate}\t{s.channels}\t{s.bytes}\t{s.etag}" for s in sorted(stems))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
