"""Headers and content hashes of audio files, read by range: what every layout makes a manifest's rows of."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO

from raysep.audio.files import AudioInfo, probe
from raysep.corpus import storage
from raysep.corpus.manifest import Stem, stem_id
from raysep.errors import AudioError

EXTENSIONS = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".w64", ".rf64", ".caf", ".au")
FINGERPRINT_BLOCKS = 8  # spread evenly over the file, its beginning and its end among them
FINGERPRINT_BLOCK_BYTES = 64 * 1024


@dataclass(frozen=True)
class File:
    uri: str
    bytes: int
    path: PurePosixPath  # below the folder that was listed


def fingerprint(stream: BinaryIO | io.RawIOBase, size: int) -> str:
    """A content hash that is the same in every store, from blocks spread over the file rather than all of it.

    Files up to half a MiB are hashed whole. In a longer one, an edit that keeps the size and falls between two
    blocks goes unseen; anything that changes the length, the header or the end does not.
    """
    digest = hashlib.sha256(str(size).encode())
    room = max(0, size - FINGERPRINT_BLOCK_BYTES)
    for block in range(FINGERPRINT_BLOCKS):
        first = room * block // (FINGERPRINT_BLOCKS - 1)
        stream.seek(first)
        digest.update(stream.read(min(FINGERPRINT_BLOCK_BYTES, size - first)) or b"")
    return digest.hexdigest()


def header(uri: str, size: int) -> tuple[AudioInfo | None, str, str]:
    """(header, fingerprint, "") or (None, fingerprint or "", what is wrong)."""
    etag = ""
    try:
        # The buffer turns libsndfile's many small reads into one request to the store.
        with storage.open_random(uri) as raw, io.BufferedReader(raw, FINGERPRINT_BLOCK_BYTES) as stream:
            etag = fingerprint(stream, size)
            info = probe(stream, uri)
    except AudioError as error:
        return None, etag, str(error)
    except OSError as error:
        return None, etag, f"{uri}: cannot be read ({error}); check the file and its access rights"
    if not info.frames:
        return None, etag, f"{uri}: holds no samples; replace or remove the file"
    return info, etag, ""


def to_stem(track: str, label: str, file: File, info: AudioInfo | None, etag: str, split: str) -> Stem:
    info = info or AudioInfo(0, 0, 0, "")
    return Stem(
        stem_id=stem_id(track, label),
        track=track,
        stem=label,
        uri=file.uri,
        sample_rate=info.sample_rate,
        channels=info.channels,
        frames=info.frames,
        format=info.format,
        bytes=file.bytes,
        etag=etag,
        split=split,
    )
