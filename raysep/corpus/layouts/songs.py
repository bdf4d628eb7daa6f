"""A folder of songs without stems: every audio file that lies directly in it is a track of one label."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath

from raysep.audio.files import AudioInfo, probe
from raysep.corpus import storage
from raysep.corpus.layouts.headers import EXTENSIONS, FINGERPRINT_BLOCK_BYTES, fingerprint
from raysep.corpus.manifest import Stem, stem_id
from raysep.errors import AudioError


def audio_files(folder_uri: str, recursive: bool = False) -> list[tuple[str, int]]:
    """(URI, bytes) of the audio files directly in a folder, or anywhere below it; none where there is no such folder."""
    root = storage.absolute(folder_uri)
    try:
        found = storage.list_files(root, recursive)
    except OSError:  # no folder: whoever scans it next says so
        return []
    files = [(storage.uri_of(root, info), info.size) for info in found]
    return [(uri, size) for uri, size in files if PurePosixPath(uri).suffix.lower() in EXTENSIONS]


def scan(folder_uri: str, label: str, split: str = "train", threads: int = 16) -> list[Stem]:
    """Every file of ``audio_files`` as a stem of this label; the track is named as the file, with its extension.

    One that cannot be read as audio has sample rate, channels and frames 0, as in ``layouts.scan``.
    """
    files = audio_files(folder_uri)
    with ThreadPoolExecutor(max_workers=max(1, threads)) as pool:
        headers = list(pool.map(lambda file: _header(*file), files))
    return sorted(_stem(uri, size, label, split, *header) for (uri, size), header in zip(files, headers, strict=True))


def _header(uri: str, size: int) -> tuple[AudioInfo, str]:
    etag = ""
    try:
        with storage.open_random(uri) as raw, io.BufferedReader(raw, FINGERPRINT_BLOCK_BYTES) as stream:
            etag = fingerprint(stream, size)
            return probe(stream, uri), etag
    except (AudioError, OSError):
        return AudioInfo(0, 0, 0, ""), etag


def _stem(uri: str, size: int, label: str, split: str, info: AudioInfo, etag: str) -> Stem:
    track = PurePosixPath(uri).name
    about = {"sample_rate": info.sample_rate, "channels": info.channels, "frames": info.frames, "format": info.format}
    return Stem(
        stem_id=stem_id(track, label), track=track, stem=label, uri=uri, bytes=size, etag=etag, split=split, **about
    )
