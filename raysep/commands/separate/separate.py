"""Separate audio files with a trained separator: a folder of stems for each of them.

OUT/
  NAME/                 one for each input
    LABEL.wav           a stem, at the input's rate, with its channels and its exact length
    residual.wav        what the stems leave of the mixture (on request)
    separation.json     what they were made from; "finished" becomes true when all files are there
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from time import perf_counter
from typing import TYPE_CHECKING, Any

from raysep.audio.files import AudioInfo, decode_blocks, probe
from raysep.commands.separate.inputs import InputFile, find
from raysep.commands.separate.stem_files import StemFiles, workspace, write_stems
from raysep.corpus import identity, outputs, storage
from raysep.errors import (
    AudioError,
    BadInput,
    FinishedWithFailures,
    OutputError,
    RaysepError,
    RunConflict,
    StorageError,
)
from raysep.screen import Progress
from raysep.version import __version__

if TYPE_CHECKING:
    from raysep.separators.base import Separator

RECORD = "separation.json"
TRAINED = ("separator-seed0", "cleaned-seed0")  # what is looked for in a run's folder, in this order
CHOOSING = ("stems", "two_stems", "residual")  # options that only say which files are written
READ_BYTES = 4 << 20  # of a request to an object store


@dataclass(frozen=True)
class Separated:
    """What became of one input."""

    source: str
    files: Sequence[str]  # the URIs of its stems, those of an earlier call too
    error: str = ""  # why there are none


def separate_files(model: str, inputs: Sequence[str], out: str, **options: Any) -> list[str]:
    """The URIs of all stems that ``separate_each`` leaves. Raises as it does, and ``FinishedWithFailures`` after all."""
    done = separate_each(model, inputs, out, **options)
    refuse_failures(out, done)
    return [file for each in done for file in each.files]


def refuse_failures(out: str, done: Sequence[Separated]) -> None:
    """Raise ``FinishedWithFailures`` when some inputs could not be separated."""
    if failed := [each.error for each in done if each.error]:
        raise FinishedWithFailures(
            f"{storage.absolute(out)}: finished, but {len(failed)} of {len(done)} inputs failed, first {failed[0]}; put "
            "them right and run the same command again"
        )


def separate_each(
    model: str,
    inputs: Sequence[str],
    out: str,
    *,
    batch: int = 4,
    device: str = "auto",
    overwrite: bool = False,
    quiet: bool = False,
    **options: Any,
) -> list[Separated]:
    """Separate every input into ``OUT/NAME/STEM.wav``; what became of each, in order.

    ``model`` is a checkpoint, or the folder of a run that trained one; ``inputs`` as for ``sources.find``; ``options``
    are the fields of ``stem_files.StemFiles``; all places may be ``s3://``. What an earlier call finished with the same
    model and options is not done again. Raises ``BadInput`` for a model, an input or an option that cannot be used,
    ``RunConflict`` when a folder holds files of another origin (unless ``overwrite``), ``OutputError`` when one cannot be written.
    """
    from raysep.separators.inference import check_options

    chosen = StemFiles(**options)
    out, progress = outputs.try_folder(out), Progress(quiet)
    check_options(
        chosen.chunk_seconds, chosen.overlap, batch, chosen.filter, shifts=chosen.shifts, precision=chosen.precision
    )
    network, digest = load(model, device)
    names = chosen.names_of(network)
    jobs = [Job(source, storage.join(out, source.name), names, digest, chosen) for source in find(inputs, out)]
    check_apart(jobs)
    states = [not overwrite and job.is_finished() for job in jobs]  # a conflict shows before hours of work
    done = []
    for number, (job, finished) in enumerate(zip(jobs, states, strict=True), start=1):
        try:
            if not finished:
                with progress.bar(f"{number}/{len(jobs)} {job.source.name}") as advance:
                    job.run(network, batch, advance, progress.say)
            done.append(Separated(job.source.uri, job.files))
        except (OutputError, StorageError):  # no input is to blame, and none would fare better
            raise
        except Exception as error:
            done.append(Separated(job.source.uri, (), job.told(error)))
            progress.say(f"failed: {done[-1].error}")
    return done


def load(model: str, device: str = "auto") -> tuple[Separator, str]:
    """The network of a checkpoint or of a run's folder, on its device, and a digest of the checkpoint.

    Raises ``BadInput`` when there is none, and for a device that is not here.
    """
    import torch

    from raysep.separators import checkpoint

    uri = storage.absolute(model)
    is_file = uri.endswith(".safetensors")
    tried = [uri] if is_file else [storage.join(uri, "checkpoints", f"{name}.safetensors") for name in TRAINED]
    there = next((t for t in tried if storage.exists(t)), None)
    if there is None:
        raise BadInput(
            f"model {model}: no {'such file' if is_file else ' or '.join(TRAINED) + ' in its checkpoints/'}; give a "
            ".safetensors file, or the folder of a finished `raysep train` or `raysep clean` (a model of the openunmix "
            "package becomes such a file by `raysep convert`)"
        )
    data = storage.read_bytes(there)
    network = checkpoint.network_of(checkpoint.from_bytes(data, there))
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return network.to(torch.device(device)), storage.digest(data)[:12]
    except (RuntimeError, AssertionError) as error:
        raise BadInput(f"device {device}: cannot be used here ({str(error).splitlines()[0]})") from None


def check_apart(jobs: Sequence[Job]) -> None:
    """Raise ``BadInput`` when a stem of one input would lie where another input's folder must be.

    ``song.wav`` beside ``song/vocals.wav`` and ``song/vocals.flac`` would make ``song/vocals.wav`` both. In any case of
    letters, as some file systems have it.
    """
    makers = {file.casefold(): job for job in jobs for file in job.files}
    for job in jobs:
        above = job.folder.removesuffix(job.source.name)
        for place in accumulate(job.source.name.split("/"), "{}/{}".format):  # a, a/b, a/b/c of a/b/c
            if maker := makers.get(f"{above}{place}".casefold()):
                raise BadInput(
                    f"{job.source.uri}: its folder {job.folder} would lie where a stem of {maker.source.uri} goes; "
                    "separate the two into different --out"
                )


@dataclass(frozen=True)
class Job:
    """One input, and where its stems go."""

    source: InputFile
    folder: str
    names: Sequence[str]  # of the files without their extension
    digest: str  # of the checkpoint
    options: StemFiles

    @property
    def files(self) -> list[str]:
        return [storage.join(self.folder, f"{name}.{self.options.format}") for name in self.names]

    def bytes(self, info: AudioInfo) -> int:
        """Of all its files, before they are compressed."""
        return len(self.names) * info.frames * info.channels * self.options.bits // 8

    def is_finished(self) -> bool:
        """Whether everything is there already. Raises ``RunConflict`` when something else is."""
        record = storage.join(self.folder, RECORD)
        if not storage.exists(record):
            if taken := [file for file in self.files if storage.exists(file)]:
                raise RunConflict(
                    f"{taken[0]}: was not written by raysep separate; choose another --out, or --overwrite"
                )
            return False
        try:
            there = json.loads(storage.read_bytes(record))
            made_from, finished = there["made_from"], there["finished"]
        except (ValueError, KeyError, TypeError):
            raise RunConflict(
                f"{record}: not a record of raysep separate; choose another --out, or --overwrite"
            ) from None
        if made_from != (now := self.made_from()):
            only_input = isinstance(made_from, dict) and made_from | {"input": now["input"]} == now
            changed = f" ({self.source.uri} is not the file that it was)" if only_input else ""
            raise RunConflict(
                f"{self.folder}: holds stems of another input, model or options{changed}; choose another --out, or --overwrite"
            )
        return finished and all(storage.exists(file) for file in self.files)

    def made_from(self) -> dict[str, Any]:
        """What the files follow from, but for rounding: contents, not places."""
        content = identity.of_file(self.source.uri)
        options = {name: value for name, value in asdict(self.options).items() if name not in CHOOSING}
        return {"input": content, "model": self.digest, "files": list(self.names), **options}

    def run(self, network: Separator, batch: int, advance: Callable[..., None], say: Callable[[str], None]) -> None:
        """Separate and write. The record comes first, and again when the files are complete."""
        begin, uri = perf_counter(), self.source.uri
        with storage.open_random(uri) as raw, io.BufferedReader(raw, READ_BYTES) as stream:
            info = probe(stream, uri)
            if not info.frames:
                raise AudioError(f"{uri}: holds no samples; replace or remove the file")
            outputs.try_folder(self.folder, "--out", self.bytes(info))
            record = {"finished": False, "source": uri, "made_from": self.made_from(), "raysep": __version__}
            self._write_record(record | asdict(info))

            def show(frames: int) -> None:
                done, total = frames / info.sample_rate, info.frames / info.sample_rate
                advance(int(done), int(total), f"{done / (perf_counter() - begin):.1f} x real time")

            with workspace(self.folder) as folder:
                blocks = decode_blocks(stream, uri)
                cut, peak = write_stems(network, blocks, info, folder, self.options, batch, show)
        if cut:
            say(
                f"{self.source.name}: {cut} samples lay beyond full scale (peak {peak:.3f}) and were cut; "
                "--clip rescale makes the stems quieter instead, --bits 32 keeps them as they are"
            )
        record |= {"finished": True, "cut": cut, "peak": peak, "seconds": round(perf_counter() - begin, 2)}
        self._write_record(record | asdict(info))

    def told(self, error: Exception) -> str:
        """What went wrong, with the input's name in it and without a program's words where a person's are there."""
        text = str(error) if isinstance(error, RaysepError) else f"{type(error).__name__}: {error}"
        return text if self.source.uri in text else f"{self.source.uri}: {text}"

    def _write_record(self, record: dict[str, Any]) -> None:
        storage.write_bytes(storage.join(self.folder, RECORD), json.dumps(record, indent=2).encode() + b"\n")
