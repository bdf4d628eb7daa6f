"""How other trainers read a corpus, written from their documents: what an export is for.

MSST's types (docs/dataset_types.md of Music-Source-Separation-Training): 1 and 4 are folders of tracks with a file for each
instrument, at random and at one place of one song; 2 is a folder for each instrument. Its files end in wav or flac, are read by
libsndfile as they lie, and a shorter one is filled up with zeros at its end; quiet chunks are drawn again. demucs (docs/training.md):
track folders with all sources and the mixture, of one length and rate.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

ENDINGS = ("wav", "flac")


class Msst:
    """A corpus as MSST reads it, of one data set type."""

    def __init__(self, folder: Path, kind: int, instruments: tuple[str, ...], least_level: float = 0.001) -> None:
        self.kind, self.instruments, self.least_level = kind, instruments, least_level
        self.tracks = [f for f in sorted(folder.iterdir()) if f.is_dir() and f.name[0] != "."] if kind in (1, 4) else []
        self.pools = {
            name: [file for ending in ENDINGS for file in sorted((folder / name).glob(f"*.{ending}"))]
            for name in (instruments if kind == 2 else ())
        }

    def draw(self, chunk: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """(stems ``(instrument, channel, time)``, their sum). Raises what a training would end with."""
        if self.kind == 4:
            track = self.tracks[rng.integers(len(self.tracks))]
            files = [self._of(track, name) for name in self.instruments]
            length = min(soundfile.info(file).frames for file in files)
            start = int(rng.integers(length - chunk + 1)) if length >= chunk else 0
            stems = [_chunk(file, start, chunk) for file in files]
        else:
            stems = [self._loud(name, chunk, rng) for name in self.instruments]
        whole = np.stack(stems)  # of one shape, or this fails
        return whole, whole.sum(axis=0)

    def _loud(self, name: str, chunk: int, rng: np.random.Generator, tries: int = 100) -> np.ndarray:
        for _ in range(tries):
            pool = self.pools.get(name)
            file = (
                pool[rng.integers(len(pool))] if pool else self._of(self.tracks[rng.integers(len(self.tracks))], name)
            )
            length = soundfile.info(file).frames
            found = _chunk(file, int(rng.integers(length - chunk + 1)) if length >= chunk else 0, chunk)
            if np.abs(found).mean() >= self.least_level:
                return found
        raise AssertionError(f"MSST would draw {name} for ever: all of it is quiet")

    def _of(self, track: Path, name: str) -> Path:
        return next(file for ending in ENDINGS if (file := track / f"{name}.{ending}").is_file())


def _chunk(file: Path, start: int, chunk: int) -> np.ndarray:
    samples = soundfile.read(file, frames=chunk, start=start, dtype="float32", always_2d=True)[0].T
    return np.pad(samples, ((0, 0), (0, chunk - samples.shape[1])))


def demucs_tracks(folder: Path, sources: tuple[str, ...]) -> dict[str, int]:
    """Track → length in samples. Raises ``AssertionError`` where demucs would end the training."""
    found = {}
    for track in sorted(folder.rglob("*")):
        if not track.is_dir() or track.name.startswith(".") or any(inner.is_dir() for inner in track.iterdir()):
            continue
        infos = [soundfile.info(track / f"{source}.wav") for source in (*sources, "mixture")]
        assert len({(info.frames, info.samplerate) for info in infos}) == 1, track
        found[str(track.relative_to(folder))] = infos[0].frames
    return found
