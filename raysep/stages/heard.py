"""What `raysep fad` listens to: a corpus, and a reference as tracks or as a file that an earlier run left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from raysep.corpus import flat, layouts, manifest, storage
from raysep.corpus.manifest import Stem
from raysep.errors import BadInput
from raysep.probes.fad.reference_file import SUFFIX, ReferenceFile

AUDIO = "audio"  # the label of songs without stems


@dataclass(frozen=True)
class Heard:
    corpus: list[Stem]
    reference: list[Stem] = field(default_factory=list)  # none with a reference file
    file: ReferenceFile | None = None
    file_bytes: bytes = b""

    @property
    def labels(self) -> tuple[str, ...]:
        return manifest.labels_of(self.corpus)

    @property
    def reference_labels(self) -> tuple[str, ...]:
        return tuple(self.file.labels) if self.file else manifest.labels_of(self.reference)

    @property
    def sample_rate(self) -> int:
        """The commonest of the reference tracks, Hz: audio that lacks what a clean track has at its top shall show it."""
        return Counter(stem.sample_rate for stem in self.reference).most_common(1)[0][0]

    @property
    def digest(self) -> str:
        """Of the reference."""
        return storage.digest(self.file_bytes) if self.file else manifest.digest(self.reference)


def hear(corpus: str, reference: str, labels: Sequence[str] | None = None, split: str = "train") -> Heard:
    """Read both, headers only. Raises ``BadInput`` when one cannot be used, or the corpus has labels the reference lacks.

    A file of the corpus that cannot be read as audio stays: it will be a row that failed. One of the reference is an
    error. Of the reference only the corpus's labels are kept.
    """
    stems = read_stems(corpus, labels, split)
    if reference.endswith(SUFFIX):
        data = _file_bytes(reference)
        found = Heard(stems, file=ReferenceFile.from_bytes(data, reference), file_bytes=data)
    elif storage.absolute(reference) == storage.absolute(corpus):
        found = Heard(stems, stems)
    else:
        # The labels asked for, else its own: a flat folder must not be looked through for vocals and drums.
        found = Heard(stems, read_stems(reference, labels, "reference"))
    if lacking := [label for label in found.labels if label not in found.reference_labels]:
        raise BadInput(
            f"--reference {reference}: has {', '.join(found.reference_labels)}, but the corpus has {', '.join(lacking)}; "
            "choose with --labels, or give clean audio of the same kind"
        )
    if broken := [stem.uri for stem in found.reference if not stem.frames]:
        raise BadInput(
            f"--reference {reference}: {len(broken)} files cannot be read as audio, first {broken[0]}; replace or remove them"
        )
    return Heard(stems, [s for s in found.reference if s.stem in found.labels], found.file, found.file_bytes)


def read_stems(uri: str, labels: Sequence[str] | None, split: str) -> list[Stem]:
    """From a manifest, folders of tracks, or a folder of songs without stems, which are all of one label."""
    if uri.endswith(".parquet"):
        stems = [stem for stem in manifest.read(storage.absolute(uri)) if labels is None or stem.stem in labels]
        if not stems:
            kind = f" labelled {' or '.join(labels)}" if labels else ""
            raise BadInput(f"{uri}: holds no stems{kind}; make a manifest with `raysep scan CORPUS --out {uri}`")
        return stems
    songs = flat.audio_files(uri)
    named = {PurePosixPath(song).stem.lower() for song, _ in songs}
    if songs and len(labels or ()) <= 1 and not named & set(layouts.LABELS):
        return flat.scan(uri, labels[0] if labels else AUDIO, split)
    found = layouts.scan(uri, labels or layouts.LABELS, split=split, on_problem="collect")
    # Stems of different lengths are no fault here, and what is no audio is a row that fails; the rest is the layout.
    there = {(stem.track, stem.stem) for stem in found.stems}
    if wrong := [p for p in found.problems if not p.unreadable and (p.track, p.stem) not in there]:
        raise BadInput(layouts.describe(uri, wrong))
    return found.stems


def _file_bytes(uri: str) -> bytes:
    try:
        return storage.read_bytes(storage.absolute(uri))
    except OSError as error:
        raise BadInput(
            f"--reference {uri}: cannot be read ({error}); give the {SUFFIX} that `raysep fad` left"
        ) from error
