"""What a worker of the evaluation does: read a track, separate it by every model, measure at the track's own rate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from raysep.audio.levels import SILENCE_DBFS
from raysep.commands.evaluate.models import Candidate
from raysep.corpus import storage
from raysep.corpus.manifest import Stem
from raysep.errors import BadInput, RaysepError, StorageError
from raysep.evaluation.measures import BSS_EVAL, FRAMEWISE, MEASURES, SILENT, TrackMeasures, track_measures
from raysep.outcome import Outcome
from raysep.rundir import table_bytes
from raysep.stages.passes import Counts, Worker

if TYPE_CHECKING:
    from raysep.separators.base import Separator

STAGE = "evaluate"
NETWORKS = 8  # that a worker holds at once
NO_SDR = f"no SDR: the reference is silent (up to {SILENCE_DBFS:g} dBFS RMS)"


@dataclass(frozen=True)
class Measuring:
    """What is measured, how, and on what separation: all that a number depends on beside model and track."""

    measures: tuple[str, ...]
    backend: str = "own"
    frames: bool = False  # keep every frame, too
    separation: dict[str, Any] = field(default_factory=dict)  # options of ``inference.separate``

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"silence_dbfs": SILENCE_DBFS}

    @property
    def schema(self) -> pa.Schema:
        about = [(name, pa.string()) for name in ("model", "track", "stem", "outcome", "message")]
        about.insert(1, ("seed", pa.int32()))  # null for a checkpoint whose name tells none
        numbers = [(name, pa.float64()) for name in self.measures]
        conditioned = [("conditioned", pa.bool_())] if set(BSS_EVAL) & set(self.measures) else []
        heard = [("seconds", pa.float64()), ("silent", pa.bool_())]  # silent: the reference
        return pa.schema([*about, *heard, *numbers, *conditioned, ("frames", pa.int32())])

    @property
    def frame_schema(self) -> pa.Schema:
        about = [("model", pa.string()), ("seed", pa.int32()), ("track", pa.string()), ("stem", pa.string())]
        names = [FRAMEWISE[name] for name in self.measures if name in FRAMEWISE]
        return pa.schema([*about, ("frame", pa.int32()), *((name, pa.float64()) for name in names)])

    def table(self, rows: Sequence[dict[str, Any]]) -> pa.Table:
        return pa.Table.from_pylist(list(rows), schema=self.schema)


def part(shard: int, kind: str = "part") -> str:
    """Where a shard's rows are; ``frames`` for those of its frames."""
    return f"evaluation/{kind}-{shard:05d}.parquet"


@dataclass(frozen=True, kw_only=True)
class TrackEvaluator(Worker):
    """Evaluates all models on the tracks of a shard."""

    models: tuple[Candidate, ...]
    labels: tuple[str, ...]  # of the corpus: their sum is the mixture
    options: Measuring

    def run(self, shard: int, payload: Mapping[str, Mapping[str, Stem]]) -> Counts:
        """Write the rows of the tracks, label → stem each, then the shard's marker. No track's failure is an error."""
        rows, frames = [], []
        for track, stems in payload.items():
            found, of_frames = self.track(track, stems)
            rows += found
            frames += of_frames
        counts = {"rows": len(rows), "failed": len({row["track"] for row in rows if row["outcome"] == Outcome.FAILED})}
        if self.options.frames:
            table = pa.Table.from_pylist(frames, schema=self.options.frame_schema)
            self.folder.write_bytes(table_bytes(table), part(shard, "frames"))
        return self.finish(STAGE, shard, table_bytes(self.options.table(rows)), part(shard), counts)

    def track(self, track: str, stems: Mapping[str, Stem]) -> tuple[list[dict], list[dict]]:
        """The rows of one track, and those of its frames (empty unless they are asked for).

        Of a stem that the track lacks there is no row: its mixture is the sum of what is there.
        """
        there = tuple(label for label in self.labels if label in stems)
        models = [(model, model.among(there)) for model in self.models if set(model.stems) & set(there)]
        try:
            references, rate = read_track(track, stems, there)
        except StorageError:
            raise
        except RaysepError as error:
            return failed_rows(track, [judged for _, judged in models], str(error)), []
        rows, frames = [], []
        for whole, model in models:
            try:
                own = references[[there.index(stem) for stem in model.stems]]
                every = estimate(whole, references.sum(axis=0), rate, self.options.separation)
                given = dict(zip(whole.stems, every, strict=True))
                estimates = np.stack([given[stem] for stem in model.stems])
                check_finite(model, track, estimates)
                found = track_measures(own, estimates, rate, self.options.measures, self.options.backend)
            except StorageError:
                raise
            except Exception as error:  # a track that one model cannot be judged on must not end the evaluation
                message = str(error) if isinstance(error, RaysepError) else f"{type(error).__name__}: {error}"
                rows += failed_rows(track, [model], message)
                continue
            rows += _rows(model, track, references.shape[-1] / rate, found)
            if self.options.frames:
                frames += _frame_rows(model, track, found)
        return rows, frames


def read_track(track: str, stems: Mapping[str, Stem], labels: Sequence[str]) -> tuple[np.ndarray, int]:
    """``(stem, channel, time)`` in the order of ``labels`` at the track's own rate in Hz, and that rate.

    More than two channels are mixed down to two as for scoring and training, see ``raysep.audio.channels``.

    Raises ``BadInput`` when there is one stem alone, one cannot be read, or the stems are not of one length.
    """
    from raysep.corpus.pools import read_mix

    if len(labels) < 2:
        raise BadInput(
            f"{track}: has one stem alone, so its mixture is not known; add the others, or leave the track out"
        )
    rate = max(s.sample_rate for s in stems.values()) or 1
    channels = min(2, max(s.channels for s in stems.values())) or 1
    audio = read_mix({label: stems[label] for label in labels}, rate, channels)
    return np.stack([audio[label] for label in labels]), rate


def estimate(model: Candidate, mixture: np.ndarray, rate: int, separation: dict[str, Any]) -> np.ndarray:
    """``(stem, channel, time)`` of a mixture ``(channel, time)``, both at ``rate`` Hz; the network works at its own."""
    from raysep.audio.resample import resample
    from raysep.separators import inference

    if not model.uri:
        return np.broadcast_to(mixture, (len(model.stems), *mixture.shape))
    network = _network(model.uri)
    audio = np.ascontiguousarray(resample(mixture, rate, network.sample_rate), dtype=np.float32)
    stems = np.asarray(inference.separate(network, audio, **separation))
    return np.stack([_fit(resample(stem, network.sample_rate, rate), mixture.shape[-1]) for stem in stems])


def check_finite(model: Candidate, track: str, estimates: np.ndarray) -> None:
    """Raise ``RaysepError`` when estimates ``(stem, channel, time)`` hold NaN or Inf: no measure is meant for them.

    Left to the measures the track would be *undefined*, as silence is, and the model judged on the others.
    """
    finite = np.isfinite(estimates).all(axis=(1, 2))
    if broken := [stem for stem, whole in zip(model.stems, finite, strict=False) if not whole]:
        seed = "" if model.seed is None else f" (seed {model.seed})"
        raise RaysepError(
            f"{model.name}{seed}: its {', '.join(broken)} of {track} holds NaN or Inf, so {model.uri} is broken; train it "
            "again, or leave it out"
        )


@lru_cache(maxsize=NETWORKS)
def _network(uri: str) -> Separator:
    import torch

    from raysep.separators import checkpoint

    network = checkpoint.network_of(checkpoint.from_bytes(storage.read_bytes(uri), uri))
    return network.to("cuda" if torch.cuda.is_available() else "cpu")


def _fit(audio: np.ndarray, frames: int) -> np.ndarray:
    """Cut to ``frames`` samples or filled up with zeros, as museval does: resampling there and back rounds the length."""
    short = max(0, frames - audio.shape[-1])
    return np.pad(audio[..., :frames], [(0, 0), (0, short)])


# Rows


def failed_rows(track: str, models: Iterable[Candidate], message: str) -> list[dict[str, Any]]:
    """A row per model and stem of a track that could not be evaluated."""
    return [_about(model, track, stem, Outcome.FAILED, message) for model in models for stem in model.stems]


def _about(model: Candidate, track: str, stem: str, outcome: str, message: str) -> dict[str, Any]:
    about = {"model": model.name, "seed": model.seed, "track": track, "stem": stem}
    return about | {"outcome": outcome, "message": message}


def _rows(model: Candidate, track: str, seconds: float, found: TrackMeasures) -> list[dict[str, Any]]:
    rows = []
    for k, stem in enumerate(model.stems):
        silent = bool(found.silent[k])
        notes = [NO_SDR] if silent and {"sdr", "si_sdr"} & set(found.values) else []
        row = _about(model, track, stem, Outcome.SCORED, "; ".join([*notes, *filter(None, [found.note])]))
        row |= {"seconds": seconds, "silent": silent}
        row |= {name: _number(name, values[k]) for name, values in found.values.items()}
        row["conditioned"] = None if found.conditioned is None else bool(found.conditioned[k])
        counted = next(iter(found.frames.values()), None)
        row["frames"] = None if counted is None else int(np.isfinite(counted[k]).sum())
        rows.append(row)
    return rows


def _number(measure: str, value: float) -> float | None:
    """Null where the measure is of silent references alone and this one is not: nothing that could be known is missing."""
    return None if MEASURES[measure].references == SILENT and np.isnan(value) else float(value)


def _frame_rows(model: Candidate, track: str, found: TrackMeasures) -> list[dict[str, Any]]:
    about = {"model": model.name, "seed": model.seed, "track": track}
    count = next(iter(found.frames.values())).shape[1] if found.frames else 0
    return [
        about | {"stem": stem, "frame": t} | {name: float(values[k, t]) for name, values in found.frames.items()}
        for k, stem in enumerate(model.stems)
        for t in range(count)
    ]
