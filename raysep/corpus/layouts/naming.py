"""Which label a file's name means: the label itself in any case, or one of the usual ways to write it.

vocals.wav  VOCALS.FLAC                 the label
01_vocals.wav  Song (Vocals).wav        the label after a number, in brackets, or after the track's own name
vox.wav                                 an alias
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath

from raysep.corpus.layouts.headers import File
from raysep.corpus.layouts.notes import Note, several
from raysep.corpus.names import folded
from raysep.errors import BadInput

MIXTURE = "mixture"
MIXTURES = frozenset({MIXTURE, "mix"})
ALIASES = {
    "vocals": ("vocal", "vox", "voice", "acapella", "a cappella"),
    "drums": ("drum",),
    "other": ("others",),
    "instrumental": ("instrumentals", "instrum", "accompaniment", "no_vocals"),
}
SEPARATORS = " ._-"
NUMBERED = re.compile(r"^\d+[ ._-]+")
IN_BRACKETS = re.compile(r"[(\[]([^()\[\]]+)[)\]]$")


@dataclass(frozen=True)
class Naming:
    """The labels that are looked for. A label of ``sums`` is the sum of the files of several names."""

    labels: tuple[str, ...]
    sums: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def parts(self, label: str) -> tuple[str, ...]:
        """The names whose files are summed to the label: most often its own alone."""
        return self.sums.get(label, (label,))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for label in self.labels for name in self.parts(label))

    def of(self, name: str, folder: str = "") -> tuple[str, bool] | None:
        """(the name that a file's name without extension means, whether that is a guess), or None.

        ``folder`` is the name of the folder that it lies in, most often the track.
        """
        given = folded(name).strip()
        if given in self._exact:
            return self._exact[given], False
        guess = next((self._meant[word] for word in _words_in(given, folded(folder)) if word in self._meant), None)
        return (guess, True) if guess else None

    @cached_property
    def _exact(self) -> dict[str, str]:
        return {folded(name): name for name in self.names}

    @cached_property
    def _meant(self) -> dict[str, str]:
        """What a name may be written as → the name; the names themselves win."""
        aliases = {word: name for name in self.names for word in self._aliases(name)}
        return aliases | self._exact

    def _aliases(self, name: str) -> tuple[str, ...]:
        own = ALIASES.get(folded(name), ())
        if folded(name) == "other" and {folded(label) for label in self.labels} == {"vocals", "other"}:
            return (*own, "instrumental", *ALIASES["instrumental"])
        return own


def _words_in(given: str, folder: str) -> Iterator[str]:
    """What of a file's name may be its label: all, what follows a number or the folder's name, what ends it in brackets."""
    yield given
    yield NUMBERED.sub("", given)
    if folder and given.startswith(folder) and given[len(folder) :][:1] in SEPARATORS:
        yield given[len(folder) :].lstrip(SEPARATORS)
    if bracketed := IN_BRACKETS.search(given):
        yield bracketed[1]


def checked(naming: Naming) -> Naming:
    """The same. Raises ``BadInput`` for labels that make no sense."""
    labels = naming.labels
    if not labels or len(set(map(folded, labels))) < len(labels) or MIXTURE in labels:
        raise BadInput(f"labels {', '.join(labels) or '(none)'}: give different stem labels, without {MIXTURE!r}")
    return naming


def is_mixture(file: File) -> bool:
    return folded(file.path.stem) in MIXTURES


@dataclass
class Named:
    """The audio files of one folder, or of any other whole, by what their names mean."""

    stems: dict[str, list[File]] = field(default_factory=dict)  # name → its files: one, or it is not clear which
    guessed: list[File] = field(default_factory=list)
    others: list[File] = field(default_factory=list)  # neither stems nor a mixture


def named(files: Iterable[File], naming: Naming, folder: str = "") -> Named:
    """A name that is written as it is wins over one that only may be meant."""
    found = Named()
    guesses: dict[str, list[File]] = {}
    for file in files:
        meant = naming.of(file.path.stem, folder)
        if meant is None:
            found.others += [] if is_mixture(file) else [file]
        else:
            (guesses if meant[1] else found.stems).setdefault(meant[0], []).append(file)
    for name, guess in guesses.items():
        if name in found.stems:
            found.others += guess
        else:
            found.stems[name] = guess
            found.guessed += guess
    return found


def guesses(files: list[File]) -> list[Note]:
    """That files were taken for stems which are not named as their label."""
    if not files:
        return []
    first = min(str(file.path) for file in files)
    text = f"1 file taken as a stem by its name, {first}"
    if len(files) > 1:
        text = f"{len(files)} files taken as stems by their names, first {first}"
    return [Note("guessed", len(files), first, text)]


def other_audio(files: Iterable[File], naming: Naming) -> list[Note]:
    """Audio beside the stems, by name: what a user may have meant as further labels."""
    counts: Counter[str] = Counter()
    firsts: dict[str, str] = {}
    for file in files:
        name = folded(file.path.name)
        counts[name] += 1
        firsts.setdefault(name, str(file.path))
    return other_names(counts, firsts, naming)


def other_names(counts: Mapping[str, int], firsts: Mapping[str, str], naming: Naming) -> list[Note]:
    """Names that are no label, with the number of tracks that have each, and how to take them."""
    if not counts:
        return []
    order = sorted(counts, key=lambda name: (-counts[name], name))
    shown = ", ".join(f"{name} in {several(counts[name], 'track')}" for name in order[:3])
    more = f" and {len(order) - 3} more names" if len(order) > 3 else ""
    offer = _offer([PurePosixPath(name).stem for name in order[:2]], naming.labels)
    text = f"{shown}{more}: no label of yours{offer}"
    return [Note("other-audio", sum(counts.values()), firsts.get(order[0]) or order[0], text)]


def _offer(names: list[str], known: tuple[str, ...]) -> str:
    """How to take them: as labels of their own, or summed."""
    if not all(re.fullmatch(r"[\w -]+", name) for name in names):
        return ""
    wide = ",".join([*known, *names])
    narrow = ",".join([*known[:-1], "+".join([known[-1], *names]) + f"={known[-1]}"])
    return f" (--labels '{wide}' takes them, --labels '{narrow}' sums them)"
