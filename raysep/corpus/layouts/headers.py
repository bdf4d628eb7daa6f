"""Headers and content hashes of audio files: what every layout makes a manifest's rows of."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import PurePosixPath

from raysep.audio import streams
from raysep.audio.files import AudioInfo, probe
from raysep.corpus import identity, storage, tags
from raysep.corpus.manifest import Stem, stem_id
from raysep.corpus.names import normal
from raysep.errors import AudioError

EXTENSIONS = (
    *(".wav", ".wave", ".bwf", ".rf64", ".w64", ".flac", ".ogg", ".oga", ".opus", ".mp3"),
    *(".aif", ".aiff", ".aifc", ".caf", ".au"),
)


@dataclass(frozen=True, slots=True)
class File:
    uri: str
    bytes: int
    path: PurePosixPath  # below the folder that was listed
    modified: int = 0  # nanoseconds since 1970; 0: unknown


def header(uri: str, hashed: bool = True) -> tuple[AudioInfo | None, str, str]:
    """(header, content tag, "") or (None, content tag or "", what is wrong). ``hashed`` reads all of the file, else by range."""
    etag = ""
    uri, number = streams.file_of(whole := uri)
    try:
        with storage.open_whole(uri) if hashed else _by_range(uri) as stream:
            etag = tags.numbered(identity.of_stream(stream), number) if hashed else ""
            stream.seek(0)
            if number is not None:
                return probe(streams.wav_of(stream.read(), number, whole), whole), etag, ""
            info = probe(stream, uri)
    except AudioError as error:
        return None, etag, str(error)
    except OSError as error:
        return None, etag, f"{uri}: cannot be read ({error}); check the file and its access rights"
    if not info.frames:
        return None, etag, f"{uri}: holds no samples; replace or remove the file"
    return info, etag, ""


def _by_range(uri: str) -> io.BufferedReader:
    return io.BufferedReader(storage.open_random(uri), storage.BUFFER_BYTES)


def to_stem(track: str, label: str, file: File, info: AudioInfo | None, etag: str, split: str) -> Stem:
    info, track, label = info or AudioInfo(0, 0, 0, ""), normal(track), normal(label)
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
        modified=file.modified,
    )
