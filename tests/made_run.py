"""A run's folder as `raysep clean --until decide` leaves it, made in seconds and without a cluster: real files with real
faults, real measures of their samples, and made-up scores of two networks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import soundfile

from raysep import config as settings
from raysep.corpus import manifest
from raysep.corpus.layouts import LABELS, stems_of
from raysep.decision.aggregate import per_stem, with_roles
from raysep.decision.roles import Role
from raysep.decision.verdicts import METADATA, SCHEMA
from raysep.probes import signal
from raysep.probes.catalogue import PROBES
from raysep.probes.stored import description
from raysep.rundir import Run

RATE = 8000
SECONDS = 9.0
SEGMENT = 2.0
KINDS = ("dropout", "clip", "noise", "lowpass")
GAP = (5.0, 6.2)  # seconds that a dropout silences
TAKEN = ("loss", "agreement", *(f"signal-{name}" for name in signal.ORIENTED))


def sound(track: str, label: str, seconds: float = SECONDS) -> np.ndarray:
    """``(2, time)``: notes of its label's pitch and a little noise, another tune for each track."""
    rng = np.random.default_rng([*track.encode(), *label.encode()])
    time = np.arange(round(seconds * RATE)) / RATE
    lowest = {"bass": 55.0, "drums": 900.0, "other": 330.0, "vocals": 220.0}.get(label, 440.0)
    beat = np.minimum((time // 0.5).astype(int), 17)
    pitch = lowest * 2 ** (rng.integers(0, 12, 18) / 12)
    within = time % 0.5
    strength = np.exp(-within * (20 if label == "drums" else 3)) * rng.uniform(0.5, 1.0, 18)[beat]
    phase = 2 * np.pi * np.cumsum(pitch[beat]) / RATE
    tone = sum(np.sin(k * phase) / k for k in range(1, 5)) if label != "drums" else rng.standard_normal(len(time))
    left = 0.2 * strength * tone
    return np.stack([left, 0.8 * left]) + 0.001 * rng.standard_normal((2, len(time)))


def spoil(audio: np.ndarray, kind: str) -> np.ndarray:
    """The fault ``kind`` at a strength that anybody would hear."""
    rng = np.random.default_rng(1)
    if kind == "dropout":
        audio = audio.copy()
        audio[:, round(GAP[0] * RATE) : round(GAP[1] * RATE)] = 0.0
        return audio
    if kind == "clip":
        return np.clip(audio, -0.1, 0.1)
    if kind == "noise":
        return audio + 0.03 * rng.standard_normal(audio.shape)
    assert kind == "lowpass"
    spectrum = np.fft.rfft(audio)
    spectrum[:, spectrum.shape[1] // 6 :] = 0
    return np.fft.irfft(spectrum, audio.shape[1])


def write(folder: Path, tracks: int, prefix: str, kind_of: Mapping[int, str], seconds: float) -> None:
    """Tracks of four stems; ``kind_of``: the number of a stem → the fault that it has."""
    for number in range(4 * tracks):
        track, label = f"{prefix}-{number // 4:02d}", LABELS[number % 4]
        audio = sound(track, label, seconds)
        audio = spoil(audio, kind_of[number]) if number in kind_of else audio
        (folder / track).mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / track / f"{label}.wav", audio.T, RATE)


def rows_of(stem: manifest.Stem, faulty: bool) -> list[dict]:
    """A row for each segment: measured from the samples, and by networks that do not know clean from faulty for certain."""
    audio, _ = soundfile.read(stem.uri, dtype="float32", always_2d=True)
    measured = signal.describe(audio.T, RATE)
    rng = np.random.default_rng([7, *stem.stem_id.encode()])
    rows = []
    for segment in range(int(len(audio) / RATE / SEGMENT)):
        start = segment * SEGMENT
        worse = 3.0 * faulty + 6.0 * (faulty and GAP[0] <= start + SEGMENT / 2 <= GAP[1])
        rows.append(
            {
                **{"track": stem.track, "stem": stem.stem, "stem_id": stem.stem_id, "segment": segment},
                **{"start": start, "seconds": SEGMENT, "outcome": "scored", "level_dbfs": -20.0 - rng.random()},
                "loss": 10.0 - worse + rng.standard_normal(),
                "agreement": 6.0 - worse + rng.standard_normal(),
                **{f"signal-{name}": sign * measured[name] for name, sign in signal.ORIENTED.items()},
            }
        )
    return rows


def make(folder: Path, tracks: int = 8, trusted: int = 5, seconds: float = SECONDS) -> Run:
    """A run in ``folder/run`` over ``folder/corpus``: every third stem faulty, every kind in turn.

    Decided as the truth is, but for one faulty stem that is kept and one clean one that is removed: decisions err.
    """
    faults = {number: KINDS[(number // 3 + number // 12) % len(KINDS)] for number in range(1, 4 * tracks, 3)}
    planted_kinds = {number: KINDS[number % len(KINDS)] for number in range(4 * trusted)}
    planted_kinds = {n: KINDS[(n + n // 4) % len(KINDS)] for n in planted_kinds}
    write(folder / "corpus", tracks, "song", faults, seconds)
    write(folder / "trusted", trusted, "ref", {}, seconds)
    write(folder / "planted", trusted, "planted", planted_kinds, seconds)
    corpus, reference, planted = (stems_of(str(folder / n)).stems for n in ("corpus", "trusted", "planted"))
    config = settings.preset("smallest", {"decision": {"rule": "ratio", "ratio": 0.3, "handling": "drop"}})
    run = Run(str(folder / "run"))
    run.open("f1n9e2p3r4i5", {"config": settings.to_dict(config)})
    manifest.write(run.path("manifest.parquet"), corpus)
    manifest.write(run.path("reference.parquet"), reference)
    roles = {s.stem_id: Role("calibration", "clean", s.track) for s in reference}
    order = sorted(planted, key=lambda s: (s.track, LABELS.index(s.stem)))
    roles |= {s.stem_id: Role("planted", planted_kinds[n], f"ref-{n // 4:02d}") for n, s in enumerate(order)}
    wrong = {
        s.stem_id for n, s in enumerate(sorted(corpus, key=lambda s: (s.track, LABELS.index(s.stem)))) if n in faults
    }
    rows = [row for s in [*corpus, *reference] for row in rows_of(s, s.stem_id in wrong)]
    rows += [row for s in planted for row in rows_of(s, True)]
    about = description("abc", [PROBES[name] for name in TAKEN])
    scores = pa.Table.from_pylist(rows).replace_schema_metadata(about)
    run.write_table(scores, "scores", "part-00000.parquet")
    stems = with_roles(per_stem(scores, TAKEN, TAKEN), {s.stem_id for s in corpus}, roles)
    run.write_table(stems.replace_schema_metadata(about), "stems.parquet")
    decision = decided(corpus, wrong)
    run.write_table(decision, "decision.parquet")
    kept = {row["stem_id"] for row in decision.to_pylist() if row["keep"]}
    manifest.write(run.path("cleaned.parquet"), [s for s in corpus if s.stem_id in kept])
    run.write_table(pa.table({"stem_id": pa.array([], pa.string())}), "failed.parquet")
    counts = {"stems": len(corpus), "kept": len(kept), "removed": len(corpus) - len(kept), "silent": 0, "failed": 0}
    told = {
        "share": None,
        "estimated_share": None,
        "warning": "made up",
        "rule": {"name": "Threshold", "p": 0.5},
        "counts": counts,
    }
    run.write_json(told, "summary.json")
    return run


def decided(corpus: list[manifest.Stem], wrong: set[str]) -> pa.Table:
    """A decision as `raysep clean` writes it."""
    rows = []
    for number, stem in enumerate(sorted(corpus)):
        suspicion = (4.0 if stem.stem_id in wrong else -1.0) + 0.02 * number
        chance = 1 / (1 + np.exp(-suspicion))
        keep = chance < 0.5
        if stem.stem_id in (max(wrong), min({s.stem_id for s in corpus} - wrong)):
            keep, suspicion, chance = not keep, 0.0, 0.5
        rows.append(
            {
                **{"stem_id": stem.stem_id, "track": stem.track, "stem": stem.stem, "outcome": "scored"},
                **{"suspicion": suspicion, "p_corrupt": chance, "keep": keep, "weight": float(keep)},
                "reason": f"P(corrupt) {chance:.2f} {'not ' if keep else ''}above 0.5",
            }
        )
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    return table.replace_schema_metadata({METADATA: json.dumps({"counts": {}, "none_removed": None}).encode()})


def fault_of(stem_id: str) -> str:
    """The fault that ``make`` gave to a stem of its corpus; "" for none."""
    track, label = stem_id.split("/")
    number = 4 * int(track.removeprefix("song-")) + LABELS.index(label)
    return KINDS[(number // 3 + number // 12) % len(KINDS)] if number % 3 == 1 else ""
