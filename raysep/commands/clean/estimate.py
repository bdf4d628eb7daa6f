"""What a cleaning would take: sums over the stems and the settings, by how fast this machine is. Nothing is read here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from raysep.config import Config
from raysep.corpus.manifest import Stem, tracks_of
from raysep.probes import catalogue
from raysep.training.source import REFRESH_STEPS, ROWS_PER_READ

LISTED = 1000  # files of one request for a list
CHECK_SHARDS = 128
NETWORKS = ("final", "early", "reference", "plus", "minus", "unlearned")  # that a segment is scored by
BACKWARD = 2.0  # a backward pass costs so many forward passes
STEPS_CHECKED = 6.0  # how often the segments of the attribution are read again to choose a step and to check it
OVERLAP = 4 / 3  # chunks of a separation overlap by a quarter
SIGNAL = 150.0  # seconds of audio per core second: all probes of the signal together
FRAMEWISE = 60.0  # likewise: museval's measures of a retrained separator's output
FAULTED = 60.0  # likewise: a stem spoilt and written
BYTES_A_ROW = 300  # of a table of scores


@dataclass(frozen=True)
class Amount:
    """Stems that are read."""

    stems: int = 0
    tracks: int = 0
    seconds: float = 0.0  # of all stems
    bytes: int = 0
    requests: int = 0  # to read each stem once; none of this machine's folders
    segments: int = 0  # of stems, that are scored

    def __add__(self, other: Amount) -> Amount:
        return Amount(*(getattr(self, name) + getattr(other, name) for name in vars(self)))

    def times(self, share: float) -> Amount:
        """So much of it, or so many times."""
        whole = {name: round(share * value) for name, value in vars(self).items()}
        return Amount(**whole | {"seconds": share * self.seconds})


@dataclass(frozen=True)
class Speed:
    """Per core, or of a GPU where ``gpu``: what a network computes is then counted as GPU time."""

    decode: float  # seconds of audio read and decoded per second
    embed: float  # seconds of audio per second
    forward: float  # seconds that a network takes for a segment
    step: float  # seconds that a step of a training takes, over all its parts
    parameters: int  # of the network
    gpu: bool = False
    measured: Mapping[str, str] = field(default_factory=dict)  # name → how; the others are assumed


@dataclass(frozen=True)
class Row:
    """What a stage takes."""

    stage: str
    read: Amount
    passes: float = 1.0  # over the stems that it is about
    shards: int = 0
    cpu_seconds: float = 0.0
    gpu_seconds: float = 0.0
    disk: int = 0  # bytes that it leaves


@dataclass(frozen=True)
class Parts:
    """The corpus, the reference and the test tracks (the reference, where there are none)."""

    corpus: Amount
    reference: Amount
    test: Amount
    new: Amount  # files that a scan would read
    tested_apart: bool = True


def amount_of(stems: Iterable[Stem], config: Config) -> Amount:
    chosen = [stem for stem in stems if stem.frames]
    lengths = [stem.frames / stem.sample_rate for stem in chosen]
    each, most = config.scoring.segment_seconds, config.scoring.most_segments
    return Amount(
        len(chosen),
        len(tracks_of(chosen)),
        sum(lengths),
        sum(stem.bytes for stem in chosen),
        sum(len(stem.uris) for stem in chosen if "://" in stem.uri),
        sum(min(most, max(1, math.ceil(seconds / each))) for seconds in lengths),
    )


def split(reference: Amount, config: Config) -> tuple[Amount, Amount]:
    """(calibration, planted): what is scored beside the corpus. Shares of tracks, as the split itself takes them."""
    planting = config.planting
    if reference.tracks < planting.least_tracks:
        return Amount(), Amount()
    if planting.folds > 1:
        return reference, reference.times(planting.copies)
    rest = max(1 / reference.tracks, 1 - planting.unlearning - planting.calibration)
    return reference.times(planting.calibration), reference.times(rest * planting.copies)


def estimate(
    config: Config, parts: Parts, speed: Speed, frame_bytes: int, search: bool, until: str | None
) -> list[Row]:
    """A row a stage. ``frame_bytes``: of a decoded sample over all channels, by its rate (bytes per second of audio)."""
    every = parts.corpus + parts.reference + (parts.test if parts.tested_apart else Amount())
    calibration, planted = split(parts.reference, config)
    scored = parts.corpus + calibration + planted
    rows = [
        Row("scan", parts.new, passes=float(bool(parts.new.stems))),
        Row("check", every, shards=min(CHECK_SHARDS, every.tracks), cpu_seconds=every.seconds / speed.decode),
    ]
    folds = max(1, config.planting.folds)
    for _ in range(config.rounds):
        rows += [
            _plant(planted, frame_bytes),
            _train("train", scored, _probe_steps(config, folds), config, speed, frame_bytes),
            _attribute(scored, config, speed, folds),
            _score(scored, config, speed),
        ]
    if until is None:
        if search:
            rows.append(_search(scored, config, speed))
        runs = len(config.proof.arms) * len(config.proof.seeds)
        rows.append(_train("retrain", parts.corpus, [config.training.steps] * runs, config, speed, frame_bytes))
        rows.append(_evaluate(parts.test, runs, config, speed))
    return _added(rows)


def total(rows: Iterable[Row]) -> Row:
    found = Row("all", Amount())
    for row in rows:
        found = _sum(found, row)
    return replace(found, stage="all")


def _added(rows: Iterable[Row]) -> list[Row]:
    """Rows of one stage, of several rounds, as one."""
    found: dict[str, Row] = {}
    for row in rows:
        found[row.stage] = _sum(found[row.stage], row) if row.stage in found else row
    return list(found.values())


def _sum(one: Row, other: Row) -> Row:
    names = ("passes", "shards", "cpu_seconds", "gpu_seconds", "disk")
    return replace(
        one, read=one.read + other.read, **{name: getattr(one, name) + getattr(other, name) for name in names}
    )


def _computed(speed: Speed, seconds: float) -> dict[str, float]:
    """What a network takes, where it is computed."""
    return {"gpu_seconds": seconds} if speed.gpu else {"cpu_seconds": seconds}


def _plant(planted: Amount, frame_bytes: int) -> Row:
    return Row(
        "plant",
        planted,
        passes=float(bool(planted.stems)),
        cpu_seconds=planted.seconds / FAULTED,
        disk=round(planted.seconds * frame_bytes),
    )


def _probe_steps(config: Config, folds: int) -> list[int]:
    training = config.training
    return [training.steps, *[max(1, round(training.reference_steps * training.steps))] * folds]


def _train(stage: str, stems: Amount, steps: list[int], config: Config, speed: Speed, frame_bytes: int) -> Row:
    """A training reads all stems once, or of more than its pools hold what it refreshes them by."""
    training = config.training
    held = training.memory_gib * 2**30 * training.workers / max(1, frame_bytes)
    fresh = 2 * training.segment_seconds * ROWS_PER_READ * training.workers / REFRESH_STEPS  # seconds a step
    seconds = sum(min(stems.seconds, held) + (fresh * each if stems.seconds > held else 0.0) for each in steps)
    passes = seconds / stems.seconds if stems.seconds else 0.0
    computed = _computed(speed, sum(steps) * speed.step)
    decoding = seconds / speed.decode
    return Row(
        stage,
        stems.times(passes),
        passes=passes,
        cpu_seconds=decoding + computed.get("cpu_seconds", 0.0),
        gpu_seconds=computed.get("gpu_seconds", 0.0),
        disk=len(steps) * 3 * 4 * speed.parameters,  # weights, and Adam's two moments
    )


def _attribute(stems: Amount, config: Config, speed: Speed, folds: int) -> Row:
    scoring = config.scoring
    segments = min(scoring.fisher_segments, stems.segments) * (1 + folds)
    seconds = segments * len(config.labels) * scoring.segment_seconds
    computed = _computed(speed, segments * (1 + BACKWARD) * speed.forward * STEPS_CHECKED)
    return Row(
        "attribute",
        stems.times(min(1.0, seconds / stems.seconds) if stems.seconds else 0.0),
        passes=min(1.0, seconds / stems.seconds) if stems.seconds else 0.0,
        shards=scoring.fisher_shards * (1 + folds) + folds,
        cpu_seconds=seconds / speed.decode + computed.get("cpu_seconds", 0.0),
        gpu_seconds=computed.get("gpu_seconds", 0.0),
        disk=round((3 + scoring.fisher_shards * (1 + folds)) * 4 * speed.parameters),
    )


def _score(stems: Amount, config: Config, speed: Speed) -> Row:
    scoring = config.scoring
    looks = 2 if scoring.first_segments else 1
    passes = catalogue.forward_passes(NETWORKS, len(config.labels))
    computed = _computed(speed, stems.segments * passes * speed.forward + stems.seconds / speed.embed)
    return Row(
        "score",
        stems.times(looks),
        passes=float(looks),
        shards=scoring.shards * looks,
        cpu_seconds=looks * stems.seconds / speed.decode + stems.seconds / SIGNAL + computed.get("cpu_seconds", 0.0),
        gpu_seconds=computed.get("gpu_seconds", 0.0),
        disk=stems.segments * BYTES_A_ROW,
    )


def _search(stems: Amount, config: Config, speed: Speed) -> Row:
    trials = len(config.search.ratios)
    computed = _computed(speed, trials * config.search.steps * speed.step)
    return Row(
        "search",
        stems.times(trials),
        passes=float(trials),
        cpu_seconds=trials * stems.seconds / speed.decode + computed.get("cpu_seconds", 0.0),
        gpu_seconds=computed.get("gpu_seconds", 0.0),
    )


def _evaluate(test: Amount, networks: int, config: Config, speed: Speed) -> Row:
    segments = OVERLAP * test.seconds / max(1, len(config.labels)) / config.scoring.segment_seconds
    computed = _computed(speed, networks * segments * speed.forward)
    measured = networks * test.seconds * (1 / speed.decode + 1 / FRAMEWISE)
    return Row(
        "evaluate",
        test.times(networks),
        passes=float(networks),
        shards=networks,
        cpu_seconds=measured + computed.get("cpu_seconds", 0.0),
        gpu_seconds=computed.get("gpu_seconds", 0.0),
    )
