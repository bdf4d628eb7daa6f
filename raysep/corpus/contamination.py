"""The simulator: faults applied to a stem, to a track, and to a copy of a whole corpus.

Everything follows from the seed and the names of tracks and labels: the same plan and the same samples with one
worker or twenty. What was done goes into a truth table outside the corpus, where nothing that cleans looks.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from raysep import stopping
from raysep.audio.channels import as_channels
from raysep.audio.files import UNBOUNDED, decode, encode, probe
from raysep.corpus import outputs, storage, tags, truth
from raysep.corpus.faultplan import Planned, plan
from raysep.corpus.faults import FAULTS, KINDS, PAIRED, SEVERITIES, WHOLE_TRACK, Stems, check_choices
from raysep.corpus.hashing import generator
from raysep.corpus.layouts import LABELS, headers, stems_of
from raysep.corpus.layouts.naming import MIXTURE
from raysep.corpus.manifest import Stem, stem_id, tracks_of
from raysep.corpus.reading import check_content
from raysep.corpus.tables import made_by
from raysep.errors import BadInput

__all__ = ["KINDS", "SEVERITIES", "Corruption", "Planned", "contaminate", "corrupt", "corrupt_track", "plan"]

INAUDIBLE = 1.0 / 32768  # one step of 16 bits: a smaller change would not survive being written

Progress = Callable[[int, int], None]  # called with (done, total)


# one fault -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Corruption:
    """What one fault did: ``changed`` label → ``(channel, time)``, and for each affected label its parameters.

    A stem that the fault leaves as it was (a silent one, say) is not among them: it stays clean in the truth.
    """

    changed: dict[str, np.ndarray]
    affected: tuple[str, ...]
    parameters: dict[str, dict]


def corrupt(
    stems: Stems,
    kind: str,
    target: str,
    severity: str,
    sample_rate: int,
    rng: np.random.Generator,
    partner: str | None = None,
    loudest: float = 1.0,
) -> Corruption:
    """Apply one fault to ``target`` among its track's stems, label → float32 ``(channel, time)``, all of one shape.

    ``partner`` is the second stem of a swap or merge; drawn when None. Stems that would peak above ``loudest`` are
    turned down (``fit_db``), since clipping is a fault of its own.
    """
    check_choices("kind", (kind,), KINDS)
    check_choices("severity", (severity,), SEVERITIES)
    check_choices("label", (target, *([partner] if partner else [])), tuple(stems))
    if len(stems) < 2 and kind in (*PAIRED, *WHOLE_TRACK, "bleed-one"):
        raise BadInput(f"{kind} needs another stem beside {target!r}; the track has none")
    outcome = FAULTS[kind](stems, target, severity, sample_rate, rng, partner)
    fitted = {label: _fit(audio, parameters, loudest) for label, (audio, parameters) in sorted(outcome.items())}
    hit = {label: fit for label, fit in fitted.items() if _differs(fit[0], stems[label])}
    return Corruption(
        changed={label: audio for label, (audio, _) in hit.items()},
        affected=tuple(hit),
        parameters={label: parameters for label, (_, parameters) in hit.items()},
    )


def _fit(audio: np.ndarray, parameters: dict, loudest: float) -> tuple[np.ndarray, dict]:
    peak = float(np.abs(audio).max(initial=0.0)) / loudest
    if peak <= 1.0:
        return audio.astype(np.float32, copy=False), parameters
    return (audio / np.float32(peak)).astype(np.float32), {
        **parameters,
        "fit_db": round(float(-20 * np.log10(peak)), 3),
    }


def _differs(changed: np.ndarray, clean: np.ndarray) -> bool:
    return bool(np.abs(changed - clean).max(initial=0.0) > INAUDIBLE)


# one track -------------------------------------------------------------------------------------------------------


def corrupt_track(
    track: str, stems: Stems, planned: Sequence[Planned], sample_rate: int, seed: int, loudest: float = 1.0
) -> tuple[dict[str, np.ndarray], list[dict]]:
    """The changed stems, label → ``(channel, time)``, and a truth row for every stem of the track.

    Every fault is computed from the clean stems, so the faults of a track do not depend on their order.
    """
    changed: dict[str, np.ndarray] = {}
    rows = {label: _truth(track, label, truth.CLEAN, "", {}) for label in stems}
    for fault in planned:
        rng = generator(seed, "contamination", track, fault.stem, fault.kind)
        result = corrupt(stems, fault.kind, fault.stem, fault.severity, sample_rate, rng, fault.partner, loudest)
        changed |= result.changed
        for label in result.affected:
            rows[label] = _truth(track, label, fault.kind, fault.severity, result.parameters[label])
    return changed, list(rows.values())


def may_peak_at(stems: Stems, formats: Iterable[str]) -> float:
    """What the stems of a track that are written in these formats may peak at: 1, or what they do where all can hold it."""
    if not all(format.partition("/")[2] in UNBOUNDED for format in formats):
        return 1.0
    return max(1.0, *(float(np.abs(audio).max(initial=0.0)) for audio in stems.values()))


def _truth(track: str, label: str, kind: str, severity: str, parameters: dict) -> dict:
    return {
        "stem_id": stem_id(track, label),
        "track": track,
        "stem": label,
        "kind": kind,
        "severity": severity,
        "parameters": json.dumps(parameters, sort_keys=True),
    }


# a corpus --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Task:
    """One folder of the corpus: its stems and faults (none for a folder that is only copied), and its other files."""

    track: str
    stems: dict[str, Stem]
    planned: list[Planned]
    copies: list[tuple[str, str]]  # (from, to): not stems
    targets: dict[str, str]  # label → where the stem goes
    seed: int


def contaminate(
    corpus_uri: str,
    out_uri: str,
    truth_uri: str,
    share: float,
    seed: int,
    kinds: Sequence[str] = KINDS,
    severities: Sequence[str] = SEVERITIES,
    workers: int | None = None,
    progress: Progress | None = None,
    labels: Sequence[str] = LABELS,
    split: str = "train",
    say: Callable[[str], None] = lambda text: None,
    overwrite: bool = False,
) -> list[dict]:
    """Write a copy of a corpus in which ``share`` of the stems is corrupted; returns the truth rows.

    Untouched files are copied byte for byte, other splits included. Changed stems keep their file name and
    format; the ``mixture`` of a touched track, where there is one, becomes the sum of its stems as written (clipped
    where that leaves [-1, 1]). Tracks are processed in parallel (``workers`` processes, the processor count by
    default) and the result does not depend on how many. The truth table is written last, and outside ``out_uri``.
    Can be repeated: the same files come out again. Without ``overwrite`` ``RunConflict`` is raised, before any work, when one of
    them is there and was not made from the same corpus and the same faults.
    A script that calls this with more than one worker needs the usual ``if __name__ == "__main__":``.
    """
    corpus, out, truth_table = (storage.absolute(uri) for uri in (corpus_uri, out_uri, truth_uri))
    _check_places(corpus, out, truth_table)
    outputs.try_file(truth_uri, "--truth", overwrite=overwrite, ours=lambda uri: made_by(uri) == truth.MAKER)
    outputs.try_folder(out_uri)
    tracks = tracks_of(stems_of(corpus, labels, split=split, layout="musdb", say=say).stems)
    faults_of = defaultdict(list)
    for fault in plan({track: tuple(stems) for track, stems in tracks.items()}, share, seed, kinds, severities):
        faults_of[fault.track].append(fault)
    tasks = _tasks(corpus, out, tracks, faults_of, seed)
    _check_leftovers(out, tasks)
    _claim(out, tasks, overwrite)

    rows: list[dict] = []
    for done, task_rows in enumerate(_run(tasks, workers), start=1):
        rows += task_rows
        if progress:
            progress(done, len(tasks))
    rows.sort(key=lambda row: row["stem_id"])
    truth.write(truth_table, rows)
    return rows


def _check_places(corpus: str, out: str, truth_table: str) -> None:
    if _inside(out, corpus) or _inside(corpus, out):
        raise BadInput(f"{out}: inside, around or the same as the clean corpus {corpus}; give a folder of its own")
    if _inside(truth_table, out):
        raise BadInput(f"{truth_table}: inside the corpus {out}, where cleaning could see it; put it elsewhere")


def _inside(uri: str, folder: str) -> bool:
    return uri == folder or uri.startswith(folder + "/")


def _check_leftovers(out: str, tasks: Sequence[_Task]) -> None:
    expected = {uri for task in tasks for uri in (*task.targets.values(), *(to for _, to in task.copies))}
    strange = [uri for info in storage.list_files(out) if (uri := storage.uri_of(out, info)) not in expected]
    if strange:
        raise BadInput(
            f"{out}: already holds {len(strange)} other files ({strange[0]}, …); give an empty folder for the copy"
        )


def _claim(out: str, tasks: Sequence[_Task], overwrite: bool) -> None:
    """Room for the copy, and the word of who makes it. Of the faults no more than a digest: cleaning may read it."""
    files = {to: 0 for task in tasks for _, to in task.copies}
    files |= {task.targets[label]: stem.bytes for task in tasks for label, stem in task.stems.items()}
    there = {storage.uri_of(out, info): info.size for info in storage.list_files(out)}
    outputs.try_folder(out, needs_bytes=sum(size for uri, size in files.items() if uri not in there))
    plan_of = [(task.track, {k: s.etag for k, s in task.stems.items()}, task.planned, task.seed) for task in tasks]
    made_from = {"plan": storage.digest(repr(plan_of).encode())[:12]}
    outputs.claim(out, "raysep contaminate", made_from, [uri[len(out) + 1 :] for uri in files], overwrite=overwrite)


def _tasks(
    corpus: str, out: str, tracks: Mapping[str, dict[str, Stem]], faults_of: Mapping[str, list[Planned]], seed: int
) -> list[_Task]:
    place = {stem.uri: out + stem.uri[len(corpus) :] for stems in tracks.values() for stem in stems.values()}
    folder_of = {_parent(next(iter(stems.values())).uri): track for track, stems in tracks.items()}
    extras: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for info in storage.list_files(corpus):
        uri = storage.uri_of(corpus, info)
        if uri not in place:
            extras[_parent(uri)].append((uri, out + uri[len(corpus) :]))
    tasks = []
    for folder, track in sorted(folder_of.items()):
        stems = tracks[track]
        targets = {label: place[stem.uri] for label, stem in stems.items()}
        tasks.append(_Task(track, stems, faults_of.get(track, []), extras.pop(folder, []), targets, seed))
    return tasks + [_Task("", {}, [], copies, {}, seed) for _, copies in sorted(extras.items())]


def _parent(uri: str) -> str:
    return uri.rpartition("/")[0]


def _run(tasks: Sequence[_Task], workers: int | None) -> Iterator[list[dict]]:
    """The tasks' truth rows, as they are done."""
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor, as_completed

    count = min(len(tasks), workers or len(os.sched_getaffinity(0)))
    if count <= 1:
        yield from map(_do, tasks)
        return
    # Not fork: the object store's client runs threads, whose locks a forked child would inherit for ever.
    with ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), stopping.left_to_parent) as pool:
        jobs = [pool.submit(_do, task) for task in tasks]
        try:
            for job in as_completed(jobs):
                yield job.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _do(task: _Task) -> list[dict]:
    if not task.planned:
        for label, stem in task.stems.items():
            _copy(stem.uri, task.targets[label])
        for source, target in task.copies:
            _copy(source, target)
        return [_truth(task.track, label, truth.CLEAN, "", {}) for label in task.stems]
    return _corrupt_files(task)


def _copy(source: str, target: str) -> None:
    storage.copy(source, target)


def _corrupt_files(task: _Task) -> list[dict]:
    """Decode a track, corrupt it, write what changed, copy the rest."""
    files = {label: storage.read_bytes(stem.uri) for label, stem in task.stems.items()}
    channels = max(stem.channels for stem in task.stems.values())
    audio = {k: _padded(as_channels(decode(files[k], stem.uri), channels), stem) for k, stem in task.stems.items()}
    for label, stem in task.stems.items():
        check_content(stem, tags.of_bytes(files[label]))
    rate = next(iter(task.stems.values())).sample_rate
    loudest = may_peak_at(audio, (stem.format for stem in task.stems.values()))
    changed, rows = corrupt_track(task.track, audio, task.planned, rate, task.seed, loudest)
    for label, stem in task.stems.items():
        if label in changed:
            files[label] = _encode_like(changed[label], stem.format, rate)
            audio[label] = decode(files[label], task.targets[label])  # as written, for the mixture
        storage.write_bytes(task.targets[label], files[label])
    for source, target in task.copies:
        is_mixture = PurePosixPath(source).stem.lower() == MIXTURE
        if changed and is_mixture and PurePosixPath(source).suffix.lower() in headers.EXTENSIONS:
            total = np.asarray(np.sum([audio[label] for label in sorted(audio)], axis=0, dtype=np.float32))
            original = probe(storage.read_bytes(source), source)
            storage.write_bytes(target, _encode_like(as_channels(total, original.channels), original.format, rate))
        else:
            _copy(source, target)
    return rows


def _padded(audio: np.ndarray, stem: Stem) -> np.ndarray:
    return np.pad(audio, ((0, 0), (0, stem.padding))) if stem.padding else audio


def _encode_like(audio: np.ndarray, format: str, sample_rate: int) -> bytes:
    container, _, subtype = format.partition("/")
    return encode(audio, sample_rate, container, subtype)
