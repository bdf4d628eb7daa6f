"""What is worked on: corpus, reference, test and validation tracks, looked over before anything is computed from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from raysep.audio.levels import is_audible
from raysep.corpus import leaks, manifest, same_samples
from raysep.corpus.layouts import stems_of
from raysep.corpus.layouts.remarks import equal_files
from raysep.corpus.manifest import Stem
from raysep.corpus.pools import mixes_of
from raysep.corpus.reading import read_stem
from raysep.errors import AudioError, BadInput

Say = Callable[[str], None]
Sums = Mapping[str, tuple[str, ...]]


def refuse(message: str) -> None:
    """What is done about a leak, unless the user allows it."""
    raise BadInput(message)


def nothing(text: str) -> None:
    """Says it to nobody."""


@dataclass(frozen=True)
class Inputs:
    """What a run works on: the corpus, the trusted reference, test and validation tracks (each but the first may be empty)."""

    corpus: list[Stem]
    reference: list[Stem]
    test: list[Stem]
    validation: list[Stem] = field(default_factory=list)

    @property
    def sample_rate(self) -> int:
        """The commonest rate of the corpus, in Hz."""
        return Counter(s.sample_rate for s in self.corpus if s.sample_rate).most_common(1)[0][0]

    @property
    def channels(self) -> int:
        return 2 if any(s.channels > 1 for s in self.corpus) else 1

    @property
    def stem_seconds(self) -> float:
        return sum(s.frames / s.sample_rate for s in self.corpus if s.sample_rate)

    def digest(self) -> dict[str, str]:
        digests = {
            "corpus": manifest.digest(self.corpus),
            "reference": manifest.digest(self.reference),
            "test": manifest.digest(self.test),
        }
        # Only where there are some: runs without them keep their fingerprint.
        return digests | ({"validation": manifest.digest(self.validation)} if self.validation else {})


def read_inputs(
    corpus: str,
    reference: str | None,
    test: str | None,
    labels: tuple[str, ...],
    validation: str | None = None,
    layout: str | None = None,
    say: Say = nothing,
    sums: Sums | None = None,
    known: Sequence[Stem] = (),
    on_leak: Callable[[str], None] = refuse,
    limit: int | None = None,
    only: Callable[[list[Stem]], list[Stem]] = list,
) -> Inputs:
    """Scan all of them. Raises ``BadInput`` for anything that would make the result wrong or the pass pointless.

    ``on_leak`` is told of tracks of one role that are, by name or by content, another one's too.

    In the corpus a file that cannot be read as audio is a row that will be reported as failed; in the
    reference, the test and the validation tracks it is an error, since they are trusted. ``known`` and ``limit``, of the
    corpus alone, as for ``stems_of``. ``only`` says which stems of the corpus are worked on.
    """
    trusted = {"reference": reference, "test": test, "validation": validation}
    more: dict[str, Any] = {"layout": layout, "say": say, "sums": sums, "known": known}
    found = Inputs(
        only(corpus_stems(corpus, labels, limit=limit, **more)),
        **{role: trusted_stems(uri, labels, role, **more) if uri else [] for role, uri in trusted.items()},
    )
    tell = partial(_tell_leak, on_leak, {stem.etag for stem in known})
    if not any(s.frames for s in found.corpus):
        raise BadInput(f"{corpus}: none of its {len(found.corpus)} stems can be read as audio; replace the files")
    _refuse_lacking(found.corpus, labels, corpus)
    for role in trusted:
        if told := narrower(getattr(found, role), found.sample_rate):
            say(f"note: {role}: {told}")
    if told := flatter(found.reference, found.channels):
        say(f"note: reference: {told}")
    if found.reference:
        _refuse_lacking(found.reference, labels, f"--reference {reference}")
        _refuse_copies(found.reference, f"--reference {reference}")
        _refuse_twins(found.corpus, corpus)
        tell(found.corpus, found.reference, "--reference")
    for role, part in (("--test", found.test), ("--validation", found.validation)):
        _refuse_no_mixture(part, f"{role} {trusted[role.removeprefix('--')]}")
    if found.test:
        tell(found.corpus, found.test, "--test")
        tell(found.reference, found.test, "--test", "reference")
    if found.validation:
        tell(found.corpus, found.validation, "--validation")
        tell(found.test, found.validation, "--validation", "test tracks")
    return found


def corpus_stems(
    uri: str,
    labels: tuple[str, ...],
    layout: str | None = None,
    say: Say = nothing,
    sums: Sums | None = None,
    known: Sequence[Stem] = (),
    limit: int | None = None,
) -> list[Stem]:
    """Of what is to be cleaned, or trained on: files may be unreadable."""
    more: dict[str, Any] = {"layout": layout, "say": say, "sums": sums, "known": known, "limit": limit}
    found = stems_of(uri, usual=labels, on_problem="keep", **more)
    return _only(labels, uri, found.stems)


def trusted_stems(
    uri: str,
    labels: tuple[str, ...],
    role: str,
    layout: str | None = None,
    say: Say = nothing,
    sums: Sums | None = None,
    known: Sequence[Stem] = (),
) -> list[Stem]:
    """Readable, from folders or a manifest; their split is the role."""
    found = stems_of(uri, usual=labels, split=role, layout=layout, say=say, sums=sums, known=known)
    return [replace(stem, split=role) for stem in _only(labels, uri, found.stems)]


def _refuse_lacking(stems: list[Stem], labels: tuple[str, ...], where: str) -> None:
    """Each label needs stems: a separator cannot learn what it never hears."""
    there = {stem.stem for stem in stems if stem.frames}
    if lacking := [label for label in labels if label not in there]:
        raise BadInput(
            f"{where}: no readable stem of {', '.join(lacking)}; add some, or leave the label out with "
            f"--labels {','.join(label for label in labels if label in there)}"
        )


def _refuse_copies(stems: list[Stem], where: str) -> None:
    """The same audio twice in what is trusted would count as two witnesses; two silent stems of one length are no copies."""
    copies = [group for group in equal_files(s for s in stems if s.frames) if _sounds(group[0])]
    if copies:
        first, second = copies[0][:2]
        raise BadInput(
            f"{where}: {sum(map(len, copies))} stems are copies of one another, first {first.uri} and {second.uri}; keep one of each"
        )


def _refuse_no_mixture(stems: list[Stem], where: str) -> None:
    if stems and not any(len(parts) > 1 for parts in mixes_of(stems).values()):
        raise BadInput(f"{where}: no stems of two labels, so there is no mixture to separate; add the others")


def _sounds(stem: Stem) -> bool:
    try:
        return is_audible(read_stem(stem, stem.sample_rate, stem.channels))
    except AudioError:
        return False  # told where it is used


def _only(labels: tuple[str, ...], uri: str, stems: list[Stem]) -> list[Stem]:
    """The stems, when there are some and of these labels. Raises ``BadInput``; what is found in folders always is so."""
    if not stems:
        raise BadInput(f"{uri}: the manifest is empty; make one with `raysep scan CORPUS --out {uri}`")
    if strange := sorted(set(manifest.labels_of(stems)) - set(labels)):
        raise BadInput(
            f"{uri}: holds stems labelled {', '.join(strange)}, but the labels are {', '.join(labels)}; "
            "leave them out, or add them with --labels"
        )
    return stems


def _refuse_twins(corpus: list[Stem], uri: str) -> None:
    """Two stems of one label in a track, as relabelling leaves them: to train on, not to judge in their own mixture."""
    twins = [place for place, count in Counter((s.track, s.stem) for s in corpus).items() if count > 1]
    if twins:
        track, label = min(twins)
        raise BadInput(
            f"{uri}: {len(twins)} times a track has several stems of one label, first {track} of {label!r}; such a manifest is to "
            "train on: clean the corpus that it was made of, or keep one stem of each label"
        )


def tell_shared_names(
    on_leak: Callable[[str], None], corpus: Iterable[Stem], other: Iterable[Stem], option: str, of: str = "corpus"
) -> set[str]:
    """Tracks of the other that are called as one of the corpus is, in any spelling, of which ``on_leak`` was told."""
    known = {leaks.plain(s.track): s.track for s in corpus}
    same = sorted({(s.track, known[leaks.plain(s.track)]) for s in other if leaks.plain(s.track) in known})
    if same:
        named = ", ".join(
            name if name == there else f"{name}, there spelt {there}" for name, there in same[: leaks.SHOWN]
        )
        on_leak(
            f"{option}: shares {len(same)} tracks with the {of} ({named}{', …' if len(same) > leaks.SHOWN else ''}); "
            f"{leaks.SEPARATE}: remove them from one of the two, or go on with --allow-twins"
        )
    return {name for name, _ in same}


def _tell_leak(
    on_leak: Callable[[str], None],
    seen: Set[str],
    corpus: list[Stem],
    other: list[Stem],
    option: str,
    of: str = "corpus",
) -> None:
    """``seen``: contents that an earlier scan has compared; where all are among these no file is read again."""
    contents = {track: {s.etag for s in stems.values()} for track, stems in manifest.tracks_of(corpus).items()}
    owner = {etag: track for track, etags in contents.items() for etag in etags}
    told = tell_shared_names(on_leak, corpus, other, option, of)
    for track, stems in manifest.tracks_of(other).items():
        # Two silent stems of one length are equal files, so one shared content proves nothing.
        shared = Counter(owner[etag] for etag in {s.etag for s in stems.values()} if etag in owner)
        for twin, count in shared.items():
            alone = len(stems) == 1 and _sounds(next(iter(stems.values())))
            if count >= leaks.SHARED_STEMS or alone:
                on_leak(_same_audio(option, track, twin, of))
                told.add(track)
    if {s.etag for s in (*corpus, *other)} <= seen:
        return
    for track, twin in same_samples.shared([s for s in other if s.track not in told], corpus):
        on_leak(_same_audio(option, track, twin, of))


def _same_audio(option: str, track: str, twin: str, of: str) -> str:
    return (
        f"{option}: track {track} holds the same audio as {twin} of the {of}; {leaks.SEPARATE}: remove one of them, or go on with "
        "--allow-twins"
    )


def size_of(reference: list[Stem]) -> int:
    """Tracks that have the label which the fewest have: a single stem is a track of its own, and no witness for the others."""
    return min(Counter(stem.stem for stem in reference).values(), default=0)


def narrower(stems: Iterable[Stem], rate: int) -> str:
    """What to say of trusted stems of a lower rate than the corpus, in Hz; "" when there are none."""
    low = [stem for stem in stems if 0 < stem.sample_rate < rate]
    if not low:
        return ""
    first = min(low)
    return (
        f"{len(low)} stems have a lower rate than the corpus ({rate} Hz), first {first.stem_id} ({first.sample_rate} Hz): they hold "
        f"nothing above {first.sample_rate / 2000:g} kHz, by which stems that do may be judged"
    )


def flatter(stems: Iterable[Stem], channels: int) -> str:
    """What to say of trusted mono stems beside a corpus of so many channels; "" when there are none, or it is mono too."""
    mono = [stem for stem in stems if stem.channels == 1] if channels > 1 else []
    if not mono:
        return ""
    return (
        f"{len(mono)} stems are mono, first {min(mono).stem_id}, and the corpus is stereo: what a stem has in width may be taken "
        "for a fault"
    )


def mixed_down(stems: Iterable[Stem]) -> str:
    """What to say of stems with more channels than networks take; "" when there are none."""
    wide = [stem for stem in stems if stem.channels > 2]
    if not wide:
        return ""
    first = min(wide)
    return (
        f"{len(wide)} stems have more than two channels, first {first.stem_id} ({first.channels}): the mean of all of them is "
        "scored, trained on and measured, on both"
    )
