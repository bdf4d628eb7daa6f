"""Write a cleaned corpus out in some form: `raysep export`.

    source ─ entries ─ plan (a form) ─ files ─ counted and sized

The source is never written. A folder says in ``export.json`` what fills it, so that the same command goes on where a killed
one stopped, and so that nothing of somebody else's is replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial

from raysep import lease
from raysep.commands.export import audio, forms, record, sources, unchanged
from raysep.commands.export.plan import MISSING, File, Form, Options, Plan, alike
from raysep.corpus import outputs, storage
from raysep.corpus.tables import made_by
from raysep.errors import AudioError, BadInput, FinishedWithFailures, RaysepError
from raysep.rundir import Run
from raysep.screen import Progress

THREADS = 8
SAMPLE_BYTES = 4  # of a sample that is written anew, at most
Failures = list[tuple[str, str]]  # (path, why)


@dataclass(frozen=True)
class Request:
    source: str  # a run's folder, or a manifest
    to: str
    form: str
    decision: str | None = None
    handling: str | None = None
    missing: str = MISSING[0]
    threads: int = THREADS
    overwrite: bool = False
    quiet: bool = False


@dataclass(frozen=True)
class Done:
    """What lies at the destination, counted and sized there."""

    to: str
    files: int
    bytes: int
    stems: int
    of: int  # stems of the source, used or not
    notes: tuple[str, ...]  # what a person should know of what is not there, or not as it was


def export(request: Request) -> Done:
    """Write the stems that are used to ``request.to``; what is there already from the same export is not written again.

    Raises ``BadInput`` before anything is written, ``RunConflict`` when the destination is somebody else's, ``OutputError`` when
    it cannot be written, and ``FinishedWithFailures`` when some sources could not be read; the same call then tries those again.
    """
    form = forms.resolve(request.form)
    source = sources.read(request.source, request.decision, request.handling)
    sources.check_apart(storage.absolute(request.to), source, bool(form.suffix))
    plan = _planned(request, form, source)
    notes = [*source.notes, *plan.notes, *alike(plan.files)]
    if all(file.text is not None for file in plan.files):
        notes += unchanged.note(unchanged.changed(entry.stem for entry in source.entries))
    to, files, size = (_one_file if form.suffix else _folder)(request, form, plan, notes)
    stems = len({entry for file in plan.files for entry in file.parts}) or len(source.entries)
    return Done(to, files, size, stems, source.stems, tuple(notes))


def _planned(request: Request, form: Form, source: sources.Source) -> Plan:
    if request.missing not in MISSING:
        raise BadInput(f"--missing {request.missing}: must be {' or '.join(MISSING)}")
    if form.linked:
        _refuse_far_links(request, source)
    plan = form.plan(source.entries, Options(source.labels, request.missing))
    for file in plan.files:
        audio.check_encoding(file)
    return plan


def _refuse_far_links(request: Request, source: sources.Source) -> None:
    far = next((e.stem.uri for e in source.entries if storage.is_remote(e.stem.uri)), None)
    if far or storage.is_remote(request.to):
        raise BadInput(
            f"--form links: {far or request.to} is in an object store, which has no links; --form copies copies"
        )


def _one_file(request: Request, form: Form, plan: Plan, notes: list[str]) -> tuple[str, int, int]:
    (file,) = plan.files
    to = outputs.try_file(
        request.to,
        "--to",
        (form.suffix,),
        overwrite=request.overwrite,
        ours=lambda uri: made_by(uri) == "export" or storage.read_bytes(uri) == file.text,
    )
    storage.write_bytes(to, file.text or b"")
    written = len(storage.read_bytes(to))
    if written != file.size:
        raise RaysepError(f"--to {request.to}: {written} of {file.size} bytes are there; run the same command again")
    return to, 1, written


# A folder -----------------------------------------------------------------------------------------------------------


def _folder(request: Request, form: Form, plan: Plan, notes: list[str]) -> tuple[str, int, int]:
    to = storage.absolute(request.to)
    made_from = record.digest(form.name, plan.files)
    left, _, _ = _left(request, plan, made_from, to)  # in somebody else's folder nothing is written
    outputs.try_folder(request.to, "--to", sum(map(_weight, left)))
    with lease.held(Run(to)):
        return to, *_fill(request, form, plan, notes, to, made_from)


def _fill(request: Request, form: Form, plan: Plan, notes: list[str], to: str, made_from: str) -> tuple[int, int]:
    """Write what is not there yet; how many files there are in the end, and their bytes."""
    left, there, known = _left(request, plan, made_from, to)
    sizes = {file.path: there.get(file.path, file.size) for file in plan.files}
    save = partial(record.write, to, request.source, form.name, made_from)
    if not known:
        _forget(to, sizes, notes)
    if left or not known:
        save(sizes, False)
    failures = _write(left, to, request, sizes)
    count, total = verify(to, sizes, failures, notes)
    save(sizes, not failures)
    if failures:
        path, why = failures[0]
        raise FinishedWithFailures(
            f"--to {request.to}: {len(failures)} of {len(sizes)} files are not as they should be, first {path} ({why}); put them "
            "right and run the same command again"
        )
    return count, total


def _left(request: Request, plan: Plan, made_from: str, to: str) -> tuple[list[File], dict[str, int], dict | None]:
    """The files to be written, path → bytes of those that are there already, and the record that says so, if there is one."""
    before = record.present(to)
    known = record.check(request.to, made_from, before, request.overwrite)
    there = _still_good(known, before)
    return [file for file in plan.files if file.path not in there], there, known


def _still_good(known: dict | None, before: dict[str, int]) -> dict[str, int]:
    """path → bytes, of the files that an earlier call of the same export left as they should be.

    A file is written whole or not at all. Where its size was not known before, any is right until one was noted.
    """
    wanted = known["files"] if known else {}
    return {path: before[path] for path, size in wanted.items() if path in before and size in (None, before[path])}


def _weight(file: File) -> int:
    """Bytes that it takes, at most where that is not known yet."""
    if file.link and file.as_is:
        return 0
    if file.size is not None:
        return file.size
    shape = file.shape or file.parts[0].stem
    return shape.frames * shape.channels * SAMPLE_BYTES


def _forget(to: str, sizes: dict[str, int | None], notes: list[str]) -> None:
    """What an earlier, other export left and this one does not replace is not to slip into the corpus."""
    old = [path for path in (record.read(to) or {"files": {}})["files"] if path not in sizes]
    for path in old:
        storage.delete(storage.join(to, path))
    if old:
        notes.append(f"{len(old)} files of the export that was there are removed, first {old[0]}")


def _write(files: Sequence[File], to: str, request: Request, sizes: dict[str, int | None]) -> Failures:
    """Write the files, many at a time; what became of them goes into ``sizes``. Ends at the first that cannot be written."""
    failures: Failures = []
    wrong = unchanged.changed(file.parts[0].stem for file in files if file.as_is)

    def make(file: File) -> int:
        if file.as_is and (words := wrong.get(file.parts[0].stem.stem_id)):
            raise AudioError(words)
        return _make(file, to)

    with Progress(request.quiet).bar("export") as advance:
        for done, (file, outcome) in enumerate(_each(files, make, request.threads), start=1):
            if isinstance(outcome, AudioError):
                failures.append((file.path, str(outcome)))
            else:
                sizes[file.path] = outcome
            advance(done, len(files))
    return sorted(failures)


def _each(files: Iterable[File], make: Callable[[File], int], threads: int) -> Iterator[tuple[File, int | AudioError]]:
    """Every file with its size, or with what is wrong with its source, as they are done."""
    with ThreadPoolExecutor(max_workers=threads) as pool:
        jobs = {pool.submit(make, file): file for file in files}
        try:
            for job in as_completed(jobs):
                try:
                    yield jobs[job], job.result()
                except AudioError as error:
                    yield jobs[job], error
        finally:
            pool.shutdown(cancel_futures=True)


def _make(file: File, to: str) -> int:
    """Write one file; its bytes. Raises ``AudioError`` for a source that cannot be read, ``OutputError`` for the rest."""
    target = file.at(to)
    if file.as_is:
        stem = file.parts[0].stem
        audio.readable(stem.uri)
        (storage.link if file.link else storage.copy)(stem.uri, target)
        return stem.bytes
    data = audio.content(file) if file.text is None else file.text
    storage.write_bytes(target, data)
    return len(data)


def verify(to: str, sizes: dict[str, int | None], failures: Failures, notes: list[str]) -> tuple[int, int]:
    """Count and size what lies at the destination; what is not as it should be goes to ``failures``.

    Returns how many files of ``sizes`` are there, and their bytes; what else is there is noted.
    """
    there = record.present(to)
    failed = {path for path, _ in failures}
    for path, size in sizes.items():
        if path not in failed and there.get(path) != size:
            found = f"{there[path]} bytes" if path in there else "not there"
            failures.append((path, f"{found}, where its source had {size} bytes when it was scanned"))
    strange = sorted(set(there) - set(sizes) - {record.NAME})
    if strange:
        notes.append(
            f"{len(strange)} other files lie there too, first {strange[0]}: whoever reads the folder finds them"
        )
    mine = [size for path, size in there.items() if path in sizes]
    return len(mine), sum(mine)
