"""The stems of one mixture as files: a stream from the decoder through the network to the writers.

What is in memory is a batch of chunks with its estimates, whatever the mixture's length.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from raysep.audio.files import AudioInfo, decode_blocks
from raysep.audio.resample import fit_length, resample_blocks
from raysep.audio.writer import AudioWriter, check_encoding
from raysep.corpus import storage
from raysep.errors import BadInput, writing

if TYPE_CHECKING:
    from raysep.separators.base import Separator

CLIPS = ("clip", "rescale")


@dataclass(frozen=True)
class StemFiles:
    """What decides the files that are written. ``BadInput`` for a value that is out of range."""

    format: str = "wav"
    bits: int = 16
    clip: str = "clip"  # samples beyond full scale are cut; "rescale" makes all files of an input quieter instead
    residual: bool = False  # also what the stems leave of the mixture
    stems: tuple[str, ...] | None = None  # only these; None = all that the network knows
    two_stems: str | None = None  # this one, and the rest as no_STEM
    filter: str = "ratio"
    chunk_seconds: float = 10.0
    overlap: float = 0.25
    shifts: int = 0
    precision: str = "float32"

    def __post_init__(self) -> None:
        check_encoding(self.format, self.bits)
        if self.clip not in CLIPS:
            raise BadInput(f"clip {self.clip!r}: not known; choose one of {', '.join(CLIPS)}")
        if self.two_stems and (self.stems or self.residual):
            raise BadInput(f"two stems of {self.two_stems}: this says which files come; leave stems and residual out")

    def stems_of(self, network: Separator) -> tuple[str, ...]:
        """The stems that are written, in the network's order."""
        chosen = (self.two_stems,) if self.two_stems else self.stems
        if unknown := set(chosen or ()) - set(network.stems):
            raise BadInput(f"stems {', '.join(sorted(unknown))}: the network knows {', '.join(network.stems)}")
        return tuple(stem for stem in network.stems if not chosen or stem in chosen)

    @property
    def rest(self) -> str | None:
        """The name of what the written stems leave of the mixture, when it is written too."""
        return f"no_{self.two_stems}" if self.two_stems else "residual" if self.residual else None

    def names_of(self, network: Separator) -> list[str]:
        return [*self.stems_of(network), *([self.rest] if self.rest else [])]


def write_stems(
    network: Separator,
    blocks: Iterable[np.ndarray],
    info: AudioInfo,
    folder: Path,
    options: StemFiles,
    batch: int = 4,
    advance: Callable[[int], None] = lambda frames: None,
) -> tuple[int, float]:
    """Separate the mixture whose blocks ``(channel, n)`` these are, into files in ``folder``.

    Returns how many samples were cut at full scale, and the largest absolute value before that. The rest is the mixture
    minus the stems as they were written, so that all files of the folder add up to the mixture, to the step of the
    format (where nothing is cut or rescaled). ``advance`` is told how many samples are done.
    """
    mixture = Passing(blocks, keep=options.rest is not None)
    names = options.names_of(network)
    rescale = options.clip == "rescale"
    first = StemFiles(bits=32) if rescale else options  # a peak is only known at the end
    paths = [folder / (f".{name}.unscaled" if rescale else f"{name}.{options.format}") for name in names]
    done = 0
    try:
        with ExitStack() as stack:
            writers = [stack.enter_context(_writer(path, info, first)) for path in paths]
            for stems in estimates(network, mixture, info, options, batch):  # (stem, channel, n)
                written = [writer.write(stem) for writer, stem in zip(writers, stems, strict=False)]
                if options.rest:
                    writers[-1].write(mixture.take(stems.shape[-1]) - np.sum(written, axis=0, dtype=np.float64))
                done += stems.shape[-1]
                advance(done)
        peak = max(writer.peak for writer in writers)
        if rescale:
            for name, path in zip(names, paths, strict=True):
                _scaled_copy(path, folder / f"{name}.{options.format}", info, options, 1.0 / max(1.0, peak))
            return 0, peak
        return sum(writer.clipped for writer in writers), peak
    finally:
        for path in paths if rescale else ():
            path.unlink(missing_ok=True)


def estimates(
    network: Separator, mixture: Iterable[np.ndarray], info: AudioInfo, options: StemFiles, batch: int
) -> Iterator[np.ndarray]:
    """Blocks ``(channel, n)`` of a mixture -> blocks ``(stem, channel, n)`` of the stems that are to be written.

    Both at ``info.sample_rate``; the estimates join to exactly ``info.frames`` samples.
    """
    import torch

    from raysep.separators.inference import separate_blocks

    chosen = options.stems_of(network)
    places = [network.stems.index(stem) for stem in chosen]
    pieces = separate_blocks(
        network,
        (torch.from_numpy(b) for b in resample_blocks(mixture, info.sample_rate, network.sample_rate)),
        options.chunk_seconds,
        options.overlap,
        batch,
        options.filter,
        # A Wiener filter shares the mixture out better when it knows that something is left over.
        residual=options.residual and options.filter == "wiener",
        shifts=options.shifts,
        precision=options.precision,
    )
    flat = (piece[places].flatten(0, 1).numpy() for piece in pieces)  # (stem * channel, n)
    back = resample_blocks(flat, network.sample_rate, info.sample_rate)
    for block in fit_length(back, len(chosen) * info.channels, info.frames):
        yield block.reshape(len(chosen), info.channels, -1)


class Passing:
    """Blocks ``(channel, n)`` on their way; what has passed can be taken again, once and in order."""

    def __init__(self, blocks: Iterable[np.ndarray], keep: bool = True) -> None:
        self.blocks, self.keep = blocks, keep
        self.held: deque[np.ndarray] = deque()

    def __iter__(self) -> Iterator[np.ndarray]:
        for block in self.blocks:
            if self.keep:
                self.held.append(block)
                self.nothing = np.zeros_like(block[:, :0])
            yield block

    def take(self, count: int) -> np.ndarray:
        """The next ``(channel, count)`` of those that have passed; none are fine, once a block has."""
        taken = [self.nothing]
        while count:
            block = self.held.popleft()
            if block.shape[1] > count:
                self.held.appendleft(block[:, count:])
            taken.append(block[:, :count])
            count -= taken[-1].shape[1]
        return np.concatenate(taken, axis=1)


@contextmanager
def workspace(folder: str) -> Iterator[Path]:
    """A local folder whose files are in ``folder`` at the end: the folder itself, or one that is uploaded from."""
    if not storage.is_remote(folder):
        with writing(folder):
            Path(folder).mkdir(parents=True, exist_ok=True)
        yield Path(folder)
        return
    with TemporaryDirectory(prefix="raysep-") as temporary:
        yield Path(temporary)
        for file in sorted(Path(temporary).iterdir()):
            storage.upload(file, storage.join(folder, file.name))


def _writer(path: Path, info: AudioInfo, options: StemFiles) -> AudioWriter:
    return AudioWriter(path, info.sample_rate, info.channels, options.format, options.bits, info.frames)


def _scaled_copy(source: Path, target: Path, info: AudioInfo, options: StemFiles, gain: float) -> None:
    with source.open("rb") as stream, _writer(target, info, options) as writer:
        for block in decode_blocks(stream, str(source)):
            writer.write(block * gain)
