"""The manifest: one row per stem, and nothing about whether the stem is right.

Truth labels live in a table of their own, which no code path of cleaning opens.
"""

from __future__ import annotations

import hashlib
import io
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field

import pyarrow as pa
import pyarrow.parquet as pq

from raysep.corpus import storage
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
        ("modified", pa.int64()),
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
    etag: str  # a hash of all bytes of the file, the same in every store; "" when it could not be read
    split: str = "train"
    modified: int = field(
        default=0, compare=False
    )  # nanoseconds since 1970 when the store last saw a change; 0: unknown


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


def write(uri: str, stems: Iterable[Stem]) -> None:
    table = pa.Table.from_pylist([asdict(stem) for stem in sorted(stems)], schema=SCHEMA)
    stream = io.BytesIO()
    pq.write_table(table, stream)
    storage.write_bytes(uri, stream.getvalue())


def read(uri: str) -> list[Stem]:
    try:
        table = storage.read_table(uri)
        names = [
            name for name in SCHEMA.names if name != "modified" or name in table.column_names
        ]  # older ones lack it
        return [Stem(**row) for row in table.select(names).to_pylist()]
    except FileNotFoundError as error:
        raise BadInput(f"{uri}: no such manifest; make one with `raysep scan CORPUS --out {uri}`") from error
    except (pa.ArrowInvalid, KeyError) as error:
        raise BadInput(f"{uri}: not a manifest ({error}); make one with `raysep scan CORPUS --out {uri}`") from error


def digest(stems: Iterable[Stem]) -> str:
    """A fingerprint of the content: equal for the same stems at another address, different when a file changed."""
    lines = (f"{s.stem_id}\t{s.frames}\t{s.sample_rate}\t{s.channels}\t{s.bytes}\t{s.etag}" for s in sorted(stems))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def changed(before: Iterable[Stem], now: Iterable[Stem]) -> list[str]:
    """URIs, as they are now, of the stems in both that are not the same file any more."""
    known = {stem.stem_id: digest([stem]) for stem in before}
    return [stem.uri for stem in sorted(now) if known.get(stem.stem_id) not in (None, digest([stem]))]
