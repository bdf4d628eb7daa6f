"""Look at the corpus, the reference and the test tracks before anything is computed from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from raysep.config import Config
from raysep.corpus import manifest
from raysep.corpus.identity import is_known, known_by
from raysep.corpus.layouts import stems_of
from raysep.corpus.manifest import Stem
from raysep.errors import BadInput, RunConflict
from raysep.rundir import Run
from raysep.screen import Progress

SEPARATE = "keep the reference apart, or the judgement would rest on the tracks it judges"

MANIFESTS = {  # role → file in the folder of a run
    "corpus": "manifest.parquet",
    "reference": "reference.parquet",
    "test": "test.parquet",
    "validation": "validation.parquet",
}


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
    known: Sequence[Stem] = (),
) -> Inputs:
    """Scan all of them. Raises ``BadInput`` for anything that would make the result wrong or the pass pointless.

    In the corpus a file that cannot be read as audio is a row that will be reported as failed; in the
    reference, the test and the validation tracks it is an error, since they are trusted. ``known`` as for ``stems_of``.
    """
    trusted = {"reference": reference, "test": test, "validation": validation}
    found = Inputs(
        corpus_stems(corpus, labels, layout, known),
        **{role: trusted_stems(uri, labels, role, layout, known) if uri else [] for role, uri in trusted.items()},
    )
    if not any(s.frames for s in found.corpus):
        raise BadInput(f"{corpus}: none of its {len(found.corpus)} stems can be read as audio; replace the files")
    if found.reference:
        _refuse_twins(found.corpus, corpus)
        _refuse_leak(found.corpus, found.reference, "--reference")
    if found.test:
        _refuse_leak(found.corpus, found.test, "--test")
        _refuse_leak(found.reference, found.test, "--test", "reference")
    if found.validation:
        _refuse_leak(found.corpus, found.validation, "--validation")
        _refuse_leak(found.test, found.validation, "--validation", "test tracks")
    return found


def corpus_stems(
    uri: str, labels: tuple[str, ...], layout: str | None = None, known: Sequence[Stem] = ()
) -> list[Stem]:
    """Of what is to be cleaned, or trained on: tracks of a manifest may be incomplete, and files unreadable."""
    return _only(labels, uri, stems_of(uri, usual=labels, on_problem="keep", layout=layout, known=known).stems)


def trusted_stems(
    uri: str, labels: tuple[str, ...], role: str, layout: str | None = None, known: Sequence[Stem] = ()
) -> list[Stem]:
    """Complete and readable, from folders or a manifest; their split is the role."""
    stems = _only(labels, uri, stems_of(uri, usual=labels, split=role, layout=layout, known=known).stems)
    return [replace(stem, split=role) for stem in stems]


def _only(labels: tuple[str, ...], uri: str, stems: list[Stem]) -> list[Stem]:
    """The stems, when there are some and of these labels. Raises ``BadInput``; what is found in folders always is so."""
    if not stems:
        raise BadInput(f"{uri}: the manifest is empty; make one with `raysep scan CORPUS --out {uri}`")
    if strange := sorted(set(manifest.labels_of(stems)) - set(labels)):
        raise BadInput(
            f"{uri}: holds stems labelled {', '.join(strange)}, but the labels are {', '.join(labels)}; "
            "leave them out, or add them with --set labels=[…]"
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


def _refuse_leak(corpus: list[Stem], other: list[Stem], option: str, of: str = "corpus") -> None:
    names = sorted({s.track for s in corpus} & {s.track for s in other})
    if names:
        raise BadInput(
            f"{option}: shares {len(names)} tracks with the {of} ({', '.join(names[:5])}"
            f"{', …' if len(names) > 5 else ''}); {SEPARATE}: remove them from one of the two"
        )
    contents = {track: {s.etag for s in stems.values()} for track, stems in manifest.tracks_of(corpus).items()}
    owner = {etag: track for track, etags in contents.items() for etag in etags}
    for track, stems in manifest.tracks_of(other).items():
        # Two silent stems of one length are equal files, so one shared content proves nothing.
        shared = Counter(owner[etag] for etag in {s.etag for s in stems.values()} if etag in owner)
        for twin, count in shared.items():
            if count >= 2:
                raise BadInput(
                    f"{option}: track {track} holds the same audio as {twin} of the {of}; {SEPARATE}: remove one of them"
                )


def known_in(run: Run) -> list[Stem]:
    """What the run has read, for files of a store not to be read again by the command that continues it."""
    kept = (run.path(name) for name in MANIFESTS.values() if run.has("run.json"))
    return [stem for path in kept for stem in known_by(path)]


def manifests_of(found: Inputs) -> dict[str, list[Stem]]:
    """What is kept of them in a run's folder: file → stems."""
    kept = {name: getattr(found, role) for role, name in MANIFESTS.items()}
    return {name: stems for name, stems in kept.items() if stems or name == MANIFESTS["corpus"]}


def refuse_changed(run: Run, kept: dict[str, list[Stem]]) -> None:
    """Raise ``RunConflict`` that names the first file which is not the one that the run has read, if there is any.

    ``kept`` are the stems as they are now, by the manifest in the run's folder that tells how they were.
    """
    for name, stems in kept.items():
        before = manifest.read(run.path(name)) if run.has(name) else []
        if changed := manifest.changed(before, stems):
            older = any(stem.etag and not is_known(stem.etag) for stem in before)
            why = "; it was made by an older raysep, which knew files by parts of them" if older else ""
            raise RunConflict(
                f"{run.root}: {len(changed)} files are not those that it was made of, first {changed[0]}{why}; put them back, "
                "or choose another --out"
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


def announce(progress: Progress, found: Inputs, config: Config) -> None:
    """Say what the run is about to work on."""
    count = {name: len(manifest.tracks_of(part)) for name, part in vars(found).items()}
    progress.say(
        f"corpus {count['corpus']} tracks ({found.stem_seconds / 3600:.2f} h of stems), reference {count['reference']}, "
        f"test {count['test'] or 'none: the reference'}; {config.network.model}, {config.training.steps} steps"
    )
    if count["reference"] < config.planting.least_tracks:
        progress.say(
            f"the reference is too small to calibrate ({count['reference']} tracks, {config.planting.least_tracks} are "
            "needed): the stems will be ranked, but no share is estimated and none is removed"
        )
