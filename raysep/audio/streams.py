"""One stream of a file that holds several, ``song.stem.mp4#stream=4``, decoded through ffmpeg where it is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from raysep.errors import AudioError

SUFFIX = ".stem.mp4"
NAMED = re.compile(rf"(?P<file>.+{re.escape(SUFFIX)})#stream=(?P<number>\d+)", re.IGNORECASE | re.DOTALL)


def stream_of(uri: str, number: int) -> str:
    """The name of one stream."""
    return f"{uri}#stream={number}"


def file_of(uri: str) -> tuple[str, int | None]:
    """(the file, the stream's number), or (the URI, None) for what is no stream's name."""
    found = NAMED.fullmatch(uri)
    return (found["file"], int(found["number"])) if found else (uri, None)


def missing() -> str:
    """Why streams cannot be decoded here, and the way out; "" when they can."""
    return "" if shutil.which("ffmpeg") else "ffmpeg, through which they are read, is not on the PATH: install it"


def wav_of(data: bytes, number: int, name: str) -> bytes:
    """A WAV in floating point of one audio stream, counted from 0. Raises ``AudioError`` with ffmpeg's own last words."""
    if why := missing():
        raise AudioError(f"{name}: {why}")
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.mp4"), Path(folder, "out.wav")
        source.write_bytes(data)
        words = [
            "ffmpeg",
            "-nostdin",
            "-v",
            "error",
            "-i",
            str(source),
            "-map",
            f"0:a:{number}",
            "-c:a",
            "pcm_f32le",
            str(target),
        ]
        done = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False)
        if done.returncode or not target.exists():
            said = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
            raise AudioError(f"{name}: ffmpeg cannot decode it ({said[0]}); replace or remove the file")
        return target.read_bytes()
