"""Write an audio file block by block: what is in memory is one block, and a reader sees the whole file or none."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from pathlib import Path

import numpy as np

from raysep.audio.files import BLOCK_FRAMES, nearest_steps
from raysep.errors import BadInput, OutputError, writing

ENCODINGS = {  # (format, bits of a sample) -> libsndfile's names
    ("wav", 16): ("WAV", "PCM_16"),
    ("wav", 24): ("WAV", "PCM_24"),
    ("wav", 32): ("WAV", "FLOAT"),
    ("flac", 16): ("FLAC", "PCM_16"),
    ("flac", 24): ("FLAC", "PCM_24"),
}
BITS = {"PCM_16": 16, "ALAC_16": 16, "PCM_24": 24, "ALAC_24": 24}  # a sample's, by libsndfile's names; else float
SYSTEM_ERROR = 2  # of libsndfile: the place, not what is written to it
WAV_BYTES = 2**32 - 2**16  # a WAV's sizes have 32 bits; a longer one becomes RF64, its successor with the same name


class AudioWriter:
    """Writes ``(channel, n)`` blocks to a local file; use it as a context manager.

    The file appears under its name when the block ends well, replacing one that was there; after an exception there is
    nothing new. ``frames`` is how many samples per channel will come, if that is known. Samples are rounded to the
    nearest step (libsndfile itself rounds down, half a step off on average) and those outside [-1, 1] are cut, except
    in 32 bits, which are floating point. Raises ``BadInput`` for an encoding that does not exist, ``OutputError`` when the
    disk is full.
    """

    def __init__(
        self, path: Path, sample_rate: int, channels: int, format: str = "wav", bits: int = 16, frames: int = 0
    ) -> None:
        check_encoding(format, bits)
        import soundfile

        container, subtype = ENCODINGS[format, bits]
        if container == "WAV" and frames * channels * bits // 8 > WAV_BYTES:
            container = "RF64"
        self.path, self.bits = path, bits
        self.clipped = 0  # samples of any channel that were cut
        self.peak = 0.0  # largest absolute value that was given
        self._temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
        try:
            self._file = soundfile.SoundFile(self._temporary, "w", sample_rate, channels, subtype, format=container)
        except soundfile.LibsndfileError as error:
            self._temporary.unlink(missing_ok=True)
            if error.code == SYSTEM_ERROR:
                raise self._full(error) from None
            raise BadInput(
                f"{path}: {channels} channels at {sample_rate} Hz cannot be written as {format} ({error.error_string}); "
                "choose another format, or fewer channels"
            ) from None

    def write(self, audio: np.ndarray) -> np.ndarray:
        """Append ``(channel, n)``; returns it as it is written, float32: rounded and cut."""
        if not audio.size:
            return audio.astype(np.float32)
        size = np.abs(audio)
        self.peak = max(self.peak, float(size.max()))
        if self.bits == 32:
            samples = written = audio.astype(np.float32)
        else:
            self.clipped += int(np.count_nonzero(size > 1.0))
            samples = nearest_steps(audio, self.bits)
            written = (samples / 2.0 ** (8 * samples.itemsize - 1)).astype(np.float32)
        for first in range(0, samples.shape[1], BLOCK_FRAMES):
            self._append(np.ascontiguousarray(samples[:, first : first + BLOCK_FRAMES].T))
        return written

    def _append(self, samples: np.ndarray) -> None:
        """``(n, channel)`` into the file. What libsndfile could not write it tells by a count, or by an error without a reason."""
        import soundfile

        try:
            self._file.write(samples)
        except (soundfile.LibsndfileError, AssertionError) as error:
            raise self._full(error) from error

    def _full(self, error: BaseException) -> OutputError:
        """What is known of a failed write: how much room is left where it goes."""
        there = next(folder for folder in self.path.parents if folder.exists())
        free = shutil.disk_usage(there).free
        reason = getattr(error, "error_string", "") or "fewer samples were written than were given"
        return OutputError(
            f"{self.path}: cannot be written ({reason} {free / 2**20:.0f} MiB are free there); make room there, or choose another "
            "place"
        )

    def __enter__(self) -> AudioWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self._close(failed=kind is not None)
            if kind is None:
                with writing(str(self.path)):
                    with self._temporary.open("rb") as file:
                        os.fsync(file.fileno())
                    self._temporary.replace(self.path)
        finally:
            self._temporary.unlink(missing_ok=True)

    def _close(self, failed: bool) -> None:
        """The rest goes to the disk now, and a header that says how much: which fails where nothing fits any more."""
        import soundfile

        try:
            self._file.close()
        except soundfile.LibsndfileError as error:
            if not failed:
                raise self._full(error) from error


def check_encoding(format: str, bits: int) -> None:
    """Raise ``BadInput`` for a format, or a number of bits in it, that cannot be written."""
    if (format, bits) not in ENCODINGS:
        known = ", ".join(f"{f} {b}" for f, b in ENCODINGS)
        raise BadInput(f"format {format}, bits {bits}: cannot be written; choose one of {known} (32 = floating point)")


def encode_like(audio: np.ndarray, sample_rate: int, format: str) -> tuple[bytes, str]:
    """A WAV's bytes of ``(channel, time)`` with the samples of ``format``, and its own format: "WAV/PCM_24", ….

    Rounded to the nearest step of 16 or 24 bits. Everything else becomes floating point, which holds whatever ``decode``
    gives: a lossy codec's output was never rounded, and may leave [-1, 1], as resampled audio may.
    """
    bits = BITS.get(format.partition("/")[2], 32) if np.abs(audio).max(initial=0.0) <= 1.0 else 32
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stem.wav"
        with AudioWriter(path, sample_rate, len(audio), "wav", bits, audio.shape[1]) as writer:
            writer.write(audio)
        data = path.read_bytes()
    if bits == 32 and (peak := data[:256].find(b"PEAK")) >= 0:
        # libsndfile puts the time of writing there: the same copy would have other bytes each time.
        data = data[: peak + 12] + bytes(4) + data[peak + 16 :]
    return data, "/".join(ENCODINGS["wav", bits])
