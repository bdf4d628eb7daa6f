"""From folders to a manifest: ``TRACK/LABEL.wav`` as in MUSDB18-HQ, below the corpus or below its split folders.

    corpus/Some Track/{vocals,drums,bass,other,mixture}.wav            flat
    corpus/train/Some Track/…    corpus/test/Some Track/…              split folders: one of them is read

The extension may be any that libsndfile reads; deeper folders give tracks named ``album/track``. Files that are no
stem (``mixture``, notes, hidden files) are passed over. Headers are read by range, many at a time.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import PurePosixPath

from raysep.corpus import storage
from raysep.corpus.layouts.headers import EXTENSIONS, File, header, to_stem
from raysep.corpus.manifest import Stem
from raysep.errors import BadInput

LABELS = ("vocals", "drums", "bass", "other")
MIXTURE = "mixture"
SPLITS = ("train", "test", "valid", "validation", "reference")

SHOWN_PROBLEMS = 10


@dataclass(frozen=True, order=True)
class Problem:
    """Something that keeps a stem, or a track, from being used as it is."""

    track: str
    stem: str
    uri: str
    message: str  # names the path, the value and the remedy
    unreadable: bool = False  # the file is there but is no audio: a row that fails, not a wrong layout


@dataclass(frozen=True)
class Scan:
    stems: list[Stem]  # one per stem file found, in order; an unreadable one has sample rate, channels and frames 0
    problems: list[Problem]


def scan(
    corpus_uri: str,
    labels: Sequence[str] = LABELS,
    split: str = "train",
    on_problem: str = "raise",
    threads: int = 16,
) -> Scan:
    """Find every stem of a corpus, local or ``s3://``, reading headers only.

    ``split`` is the folder that is read when the corpus has split folders, and the name recorded in any case.
    ``on_problem``: ``"raise"`` raises ``BadInput`` for any problem (listing up to ten of them), ``"keep"`` does so
    too except for files that cannot be read as audio, which stay as rows, ``"collect"`` returns all problems.
    A folder that does not exist or holds no track always raises.
    """
    if on_problem not in ("raise", "keep", "collect"):
        raise ValueError(f"on_problem={on_problem!r}: raise, keep or collect")
    if not labels or len(set(labels)) < len(labels) or MIXTURE in labels:
        raise BadInput(f"labels {', '.join(labels) or '(none)'}: give different stem labels, without {MIXTURE!r}")
    root = storage.absolute(corpus_uri)
    tracks = _choose_split(_audio_folders(root), split, root, labels)
    problems: list[Problem] = []
    found: list[tuple[str, str, File]] = []
    for track, (folder, files) in sorted(tracks.items()):
        chosen, wrong = _stems_of(track, folder, files, labels)
        found += chosen
        problems += wrong
    with ThreadPoolExecutor(max_workers=max(1, threads)) as pool:
        headers = list(pool.map(lambda item: header(item[2]), found))
    stems = []
    for (track, label, file), (info, etag, message) in zip(found, headers, strict=True):
        stems.append(to_stem(track, label, file, info, etag, split))
        if message:
            problems.append(Problem(track, label, file.uri, message, unreadable=True))
    problems = sorted(problems + _uneven(stems))
    fatal = [p for p in problems if on_problem == "raise" or (on_problem == "keep" and not p.unreadable)]
    if fatal and on_problem != "collect":
        raise BadInput(describe(corpus_uri, fatal))
    return Scan(sorted(stems), problems)


def describe(corpus_uri: str, problems: Sequence[Problem]) -> str:
    """One message for all: their count, and the first ten."""
    lines = [f"{corpus_uri}: {len(problems)} {'problem' if len(problems) == 1 else 'problems'}"]
    lines += [f"  {problem.message}" for problem in problems[:SHOWN_PROBLEMS]]
    if len(problems) > SHOWN_PROBLEMS:
        lines.append(f"  … and {len(problems) - SHOWN_PROBLEMS} more")
    return "\n".join(lines)


# folders ---------------------------------------------------------------------------------------------------------


def _audio_folders(root: str) -> dict[str, list[File]]:
    """Folder below the corpus → its audio files. Raises ``BadInput`` when there is no such corpus."""
    try:
        if not storage.exists(root):
            raise BadInput(f"{root}: no such folder; give the folder that holds the tracks' folders")
        files = storage.list_files(root)
    except NotADirectoryError:
        raise BadInput(f"{root}: a file; give the folder that holds the tracks' folders") from None
    except OSError as error:
        raise BadInput(
            f"{root}: cannot be listed ({error}); check the address, the access rights, "
            f"and for an object store AWS_ENDPOINT_URL and the credentials"
        ) from error
    folders: dict[str, list[File]] = defaultdict(list)
    for info in files:
        uri = storage.uri_of(root, info)
        path = PurePosixPath(uri[len(root) :].lstrip("/"))
        if path.suffix.lower() in EXTENSIONS:
            folder = "" if path.parent == PurePosixPath(".") else str(path.parent)
            folders[folder].append(File(uri, info.size))
    return dict(folders)


def _choose_split(
    folders: dict[str, list[File]], split: str, root: str, labels: Sequence[str]
) -> dict[str, tuple[str, list[File]]]:
    """Track name → (its folder's URI, its audio files)."""
    stray = folders.get("", [])
    tracks = {name: (storage.join(root, name), files) for name, files in folders.items() if name}
    nested: dict[str, dict] = defaultdict(dict)
    for name, content in tracks.items():
        first, _, rest = name.partition("/")
        if first in SPLITS and rest:
            nested[first][rest] = content
    if nested and split not in nested:
        raise BadInput(f"{root}: has the split folders {', '.join(sorted(nested))} but no {split!r}; give one of them")
    chosen = nested[split] if nested else tracks
    if not chosen:
        if any(_label_of(file, labels) for file in stray):
            raise BadInput(f"{root}: looks like the folder of one track; give the folder above it")
        raise BadInput(
            f"{root}: no audio in any track's folder; a corpus is TRACK/LABEL.wav with the labels {', '.join(labels)}"
        )
    return chosen


def _label_of(file: File, labels: Iterable[str]) -> str | None:
    name = PurePosixPath(file.uri).stem.lower()
    return next((label for label in labels if label.lower() == name), None)


def _stems_of(
    track: str, folder: str, files: list[File], labels: Sequence[str]
) -> tuple[list[tuple[str, str, File]], list[Problem]]:
    """The stem files of one track, and what is wrong with its layout."""
    by_label: dict[str, list[File]] = defaultdict(list)
    for file in files:
        if label := _label_of(file, labels):
            by_label[label].append(file)
    problems = []
    names = ", ".join(sorted(PurePosixPath(file.uri).name for file in files))
    for label in labels:
        held = by_label[label]
        if not held:
            message = f"{folder}: no {label!r} (found {names}); add it (silence will do), or remove the track's folder"
            problems.append(Problem(track, label, folder, message))
        elif len(held) > 1:
            twins = ", ".join(sorted(PurePosixPath(file.uri).name for file in held))
            message = f"{folder}: {twins} are all {label!r}; keep one of them"
            problems.append(Problem(track, label, folder, message))
    return [(track, label, by_label[label][0]) for label in labels if len(by_label[label]) == 1], problems


# headers ---------------------------------------------------------------------------------------------------------


def _uneven(stems: Iterable[Stem]) -> list[Problem]:
    """Stems that differ in rate or length from most others of their track (from the longer ones in a tie)."""
    tracks: dict[str, list[Stem]] = defaultdict(list)
    for stem in stems:
        if stem.sample_rate:
            tracks[stem.track].append(stem)
    problems = []
    for members in tracks.values():
        rate = _commonest(s.sample_rate for s in members)
        length = _commonest(s.frames for s in members if s.sample_rate == rate)
        for s in members:
            if s.sample_rate != rate:
                message = f"{s.uri}: {s.sample_rate} Hz where the track's other stems have {rate} Hz; resample it"
            elif s.frames != length:
                message = (
                    f"{s.uri}: {s.frames} samples where the track's other stems have {length}; "
                    f"pad or cut them to one length, or remove the track's folder"
                )
            else:
                continue
            problems.append(Problem(s.track, s.stem, s.uri, message))
    return problems


def _commonest(values: Iterable[int]) -> int:
    return max(Counter(values).items(), key=lambda item: (item[1], item[0]))[0]
