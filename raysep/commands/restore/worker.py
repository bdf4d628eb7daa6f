"""What a worker does: trusted stems with faults planted in them, or suspect ones, through the separator that never heard them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa

from raysep.audio.levels import is_audible
from raysep.audio.writer import encode_like
from raysep.corpus import tags
from raysep.corpus.contamination import corrupt
from raysep.corpus.hashing import generator
from raysep.corpus.manifest import Stem
from raysep.corpus.pools import read_mix
from raysep.corpus.reading import read_stem
from raysep.decision.handling.restore import FOLDER
from raysep.decision.restoring import CLEAN, TRIALS, Rule
from raysep.evaluation.sdr import si_sdr
from raysep.rundir import table_bytes
from raysep.separators.own_output import own_output
from raysep.stages.passes import AudioWorker, Counts

if TYPE_CHECKING:
    from raysep.separators.base import Separator

# What puts another stem's sound where it does not belong, as strong as the simulator has it: lighter bleed does no harm.
PLANTED = ("merge", "swap", "bleed-one", "bleed-all")
STRENGTH = "strong"
SECONDS = 30.0  # of each trusted song, from its middle
UNBOUNDED = 1e9  # no copy is written, so none has to fit into full scale
LEAST_DB, MOST_DB = -100.0, 100.0

SCHEMA = pa.schema(
    [
        ("stem_id", pa.string()),
        ("track", pa.string()),
        ("stem", pa.string()),
        ("restored", pa.bool_()),
        ("share", pa.float64()),  # of the separator's outputs that is its own label; null = not asked
        ("reason", pa.string()),
        ("uri", pa.string()),
        ("format", pa.string()),
        ("bytes", pa.int64()),
        ("etag", pa.string()),
    ]
)


@dataclass(frozen=True)
class Songs:
    """Trusted songs, and the network of the run that never heard them."""

    network: str
    songs: Mapping[str, Mapping[str, Stem]]  # name → label → stem


@dataclass(frozen=True)
class Suspects:
    """Stems that are to be restored where they look like it, and the network that is asked."""

    network: str
    stems: tuple[Stem, ...]
    rules: Mapping[str, Rule]


@dataclass(frozen=True, kw_only=True)
class Separating(AudioWorker):
    """One that keeps the network it has loaded: a shard needs one, and the next one mostly the same."""

    exact = True
    schema: ClassVar[pa.Schema]  # of a part
    stage: str

    def start(self) -> Callable[[int, Any], Counts]:
        from raysep.training.network import load_network

        held: dict[str, Separator] = {}

        def run(shard: int, payload: Any) -> Counts:
            if payload.network not in held:
                held.clear()
                held[payload.network] = load_network(self.folder, payload.network)[0]
            rows, counts = self.rows(held[payload.network], payload)
            table = table_bytes(pa.Table.from_pylist(rows, schema=self.schema))
            return self.finish(self.stage, shard, table, f"{self.stage}/part-{shard:05d}.parquet", counts)

        return run

    def rows(self, network: Separator, payload: Any) -> tuple[list[dict[str, Any]], Counts]:
        raise NotImplementedError


class Trier(Separating):
    """Each shard is some trusted songs; its part has a row for each stem of theirs, clean and with each planted fault."""

    schema = TRIALS

    def rows(self, network: Separator, payload: Songs) -> tuple[list[dict[str, Any]], Counts]:
        rows: list[dict[str, Any]] = []
        for name, parts in payload.songs.items():
            whole = read_mix(dict(parts), network.sample_rate, self.channels)
            rows += tried(network, name, middle(whole, network.sample_rate), self.config.seed)
        return rows, {"stems": len(rows), "failed": 0}


class Restorer(Separating):
    """Each shard is some suspect stems; its part has a row for each, beside the files of those that are restored."""

    schema = SCHEMA

    def rows(self, network: Separator, payload: Suspects) -> tuple[list[dict[str, Any]], Counts]:
        rows = [self.restored(network, stem, payload.rules[stem.stem]) for stem in payload.stems]
        return rows, {"stems": len(rows), "restored": sum(row["restored"] for row in rows), "failed": 0}

    def restored(self, network: Separator, stem: Stem, rule: Rule) -> dict[str, Any]:
        """A row of ``SCHEMA``; the file comes first. Raises ``AudioError`` for a stem that cannot be read."""
        audio = read_stem(stem, stem.sample_rate, stem.channels)
        left, share = own_output(network, audio, stem.stem, stem.sample_rate)
        known = {"stem_id": stem.stem_id, "track": stem.track, "stem": stem.stem, "share": share}
        if not rule.looks_like_bleed(share):
            return {**known, "restored": False, "reason": unlike_bleed(share, rule)}
        data, written_as = encode_like(left, stem.sample_rate, stem.format)
        place = (FOLDER, stem.track, f"{stem.stem}.wav")
        self.folder.write_bytes(data, *place)
        told = f"restored: {1 - share:.0%} of what the separator finds in it belongs to other labels"
        file = {"uri": self.folder.path(*place), "format": written_as, "bytes": len(data), "etag": tags.of_bytes(data)}
        return {**known, "restored": True, "reason": told, **file}


def unlike_bleed(share: float, rule: Rule) -> str:
    """Why a stem of a label that restoring pays for is not restored, in words."""
    like = (
        f"a clean {rule.label}"
        if rule.usual is not None and share >= rule.usual
        else "one that belongs to another label"
    )
    return f"not restored: {share:.0%} of what the separator finds in it is its own, as in {like}"


def middle(audio: Mapping[str, np.ndarray], sample_rate: int) -> dict[str, np.ndarray]:
    """``SECONDS`` from the middle of the stems of a song, label → ``(channel, time)``."""
    length = round(SECONDS * sample_rate)
    return {label: each[:, max(0, (each.shape[1] - length) // 2) :][:, :length] for label, each in audio.items()}


def tried(network: Separator, name: str, audio: Mapping[str, np.ndarray], seed: int) -> Iterator[dict[str, Any]]:
    """Rows of ``TRIALS`` of a clean song at the network's rate, label → ``(channel, time)``: each audible stem as it is, and
    with each fault.
    """
    sample_rate = network.sample_rate
    audible = {label: each for label, each in sorted(audio.items()) if label in network.stems and is_audible(each)}
    if len(audible) < 2:
        return
    for label, clean in audible.items():
        for kind, stem in faulty(audible, label, name, sample_rate, seed):
            left, share = own_output(network, stem, label, sample_rate)
            known = {"track": name, "stem": label, "kind": kind, "share": share}
            yield {**known, "before": _db(clean, stem), "after": _db(clean, left)}


def faulty(
    stems: Mapping[str, np.ndarray], label: str, name: str, sample_rate: int, seed: int
) -> Iterator[tuple[str, np.ndarray]]:
    """(kind, the stem with this fault); the clean one first."""
    yield CLEAN, stems[label]
    for kind in PLANTED:
        rng = generator(seed, "restoring", name, label, kind)
        changed = corrupt(stems, kind, label, STRENGTH, sample_rate, rng, loudest=UNBOUNDED).changed
        if label in changed:
            yield kind, changed[label]


def _db(clean: np.ndarray, other: np.ndarray) -> float:
    """SI-SDR of ``(channel, time)`` against the clean stem, limited to ±100 dB: a stem as it is has infinitely much."""
    return float(np.clip(si_sdr(clean.T[None], other.T[None])[0], LEAST_DB, MOST_DB))
