"""A reference as one file: what every label needs for scoring, and what it was made of. Nothing is pickled.

The frames of long references are left behind (a label takes at most some megabytes), so the file keeps how each of its
own tracks scored with itself left out: a corpus that holds one of them looks its score up here.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from raysep.corpus.tags import is_known
from raysep.errors import BadInput
from raysep.probes.fad.leave_out import Scores, leave_one_out_scores
from raysep.probes.fad.reference import LabelReference
from raysep.probes.fad.twins import SAME, grouped
from raysep.version import __version__

if TYPE_CHECKING:  # it brings torch, and whoever reads a reference needs none
    from raysep.probes.embedders.base import Embedder

SUFFIX = ".fadref"
FORMAT = 1
NUMBERS = ("raw", "z", "p")


@dataclass(frozen=True)
class MadeWith:
    """What a reference's numbers depend on beside its tracks."""

    embedder: str  # name in ``registry.EMBEDDERS``
    weights_digest: str  # "" when it has none
    sample_rate: int  # Hz that audio is embedded at
    dimension: int
    measures: tuple[str, ...]  # that it has nulls of
    seed: int
    version: str = __version__  # of raysep

    @classmethod
    def of(cls, embedder: Embedder, measures: Sequence[str], seed: int) -> MadeWith:
        return cls(
            embedder.name,
            embedder.weights_digest,
            embedder.sample_rate,
            embedder.dimension,
            tuple(measures),
            seed,
        )


@dataclass(frozen=True, eq=False)
class Member:
    """A track of the reference."""

    track: str
    etag: str  # of the stem's file, as in a manifest
    frames: int
    mean: np.ndarray  # (dimension,) of its standardised frames
    scores: Scores  # with itself, and its copies under other names, left out


@dataclass(frozen=True, eq=False)
class ReferenceFile:
    about: MadeWith
    labels: Mapping[str, LabelReference]
    members: Mapping[str, Sequence[Member]]  # by label, in the order of the tracks

    @classmethod
    def from_tracks(
        cls, label: str, tracks: Sequence[tuple[str, str, np.ndarray]], about: MadeWith, least_spread: float = 0.0
    ) -> ReferenceFile:
        """One label, from (name, etag, raw ``(n, dimension)`` frames) of each clean track; those without frames are left out.

        ``BadInput`` naming the label when the tracks are too few, or a measure is unknown.
        """
        tracks = [entry for entry in tracks if len(entry[2])]
        frames = [entry[2] for entry in tracks]
        try:
            reference = LabelReference.from_tracks(
                frames, seed=about.seed, measures=about.measures, least_spread=least_spread
            )
        except BadInput as error:
            raise BadInput(f"{label}: {error}") from error
        scores = leave_one_out_scores(reference, frames, about.measures, about.seed)
        members = [
            Member(track, etag, len(own), reference.standardise(own).mean(axis=0), found)
            for (track, etag, own), found in zip(tracks, scores, strict=True)
        ]
        return cls(about, {label: reference}, {label: members})

    @classmethod
    def joined(cls, files: Sequence[ReferenceFile]) -> ReferenceFile:
        """Several labels in one; all must have been made alike (by whichever version)."""
        if len({replace(file.about, version="") for file in files}) != 1:
            raise ValueError("references made in different ways cannot be joined")
        labels = {label: reference for file in files for label, reference in file.labels.items()}
        return cls(files[0].about, labels, {label: m for file in files for label, m in file.members.items()})

    def member(self, label: str, etag: str, frames: np.ndarray) -> Member | None:
        """The track of the reference that these raw frames are of, if it is one.

        The frames have to agree too: a reference file of an older raysep has tags that were made of parts of a file only,
        and those are of another kind than the ones of today, so that the frames alone tell.
        """
        mean = self.labels[label].standardise(frames).mean(axis=0) if len(frames) else np.zeros(0)
        for member in self.members[label]:
            if (
                (member.etag == etag or (is_known(etag) and not is_known(member.etag)))
                and member.frames == len(frames)
                and np.allclose(member.mean, mean, rtol=0, atol=SAME)
            ):
                return member
        return None

    def check(self, embedder: Embedder, name: str) -> None:
        """Raise ``BadInput`` naming both when ``embedder`` is not the one that made the file ``name``."""
        ours = MadeWith.of(embedder, (), 0)
        for what in ("embedder", "weights_digest", "sample_rate", "dimension"):
            there, here = (getattr(about, what) or "none" for about in (self.about, ours))
            if there != here:
                detail = "" if what == "embedder" else f" ({what.replace('_', ' ')} {there})"
                raise BadInput(
                    f"{name}: made with embedder {self.about.embedder!r}{detail}, but this one is {ours.embedder!r}"
                    f"{detail and f' ({here})'}; give that embedder and its weights, or make the reference anew"
                )

    def provenance(self) -> dict[str, Any]:
        """What it was made of, in plain values for JSON; ``copies`` are names of one audio."""
        return vars(self.about) | {
            "measures": list(self.about.measures),
            "labels": {
                label: {
                    "tracks": [{"track": m.track, "etag": m.etag, "frames": m.frames} for m in members],
                    "frames": sum(m.frames for m in members),
                    "copies": copies_among(members),
                }
                for label, members in self.members.items()
            },
        }

    def to_bytes(self) -> bytes:
        stream = io.BytesIO()
        arrays: dict[str, Any] = {"about": _bytes(json.dumps({"format": FORMAT, **self.provenance()}).encode())}
        for number, (label, reference) in enumerate(self.labels.items()):
            arrays[f"{number} reference"] = _bytes(reference.to_bytes())
            arrays[f"{number} means"] = np.array([m.mean for m in self.members[label]])
            arrays[f"{number} scores"] = np.array(
                [[[m.scores[name][k] for k in NUMBERS] for name in self.about.measures] for m in self.members[label]]
            )  # (track, measure, number)
        np.savez(stream, **arrays)
        return stream.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes, name: str) -> ReferenceFile:
        """``name`` is used in the error. Raises ``BadInput`` for data that is no reference."""
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                told = json.loads(arrays["about"].tobytes())
                if told.pop("format") != FORMAT:
                    raise ValueError(f"another format than {FORMAT}")
                made_of = told.pop("labels")
                about = MadeWith(**told | {"measures": tuple(told["measures"])})
                labels, members = {}, {}
                for number, (label, content) in enumerate(made_of.items()):
                    labels[label] = LabelReference.from_bytes(arrays[f"{number} reference"].tobytes())
                    means, scores = arrays[f"{number} means"], arrays[f"{number} scores"]
                    members[label] = [
                        Member(**track, mean=means[k], scores=_named(scores[k], about.measures))
                        for k, track in enumerate(content["tracks"])
                    ]
        except (ValueError, KeyError, TypeError, AttributeError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise BadInput(
                f"{name}: no reference ({type(error).__name__}: {error}); give the {SUFFIX} that `raysep fad` left, or the "
                "clean tracks themselves"
            ) from error
        return cls(about, labels, members)


def copies_among(members: Sequence[Member]) -> list[list[str]]:
    """Names of the tracks that are one audio, for each that is there more than once."""
    groups = grouped([m.frames for m in members], [m.mean for m in members])
    return [[members[number].track for number in group] for group in groups if len(group) > 1]


def _named(scores: np.ndarray, measures: Sequence[str]) -> Scores:
    """``(measure, number)`` by name."""
    return {
        name: {k: float(value) for k, value in zip(NUMBERS, row, strict=True)}
        for name, row in zip(measures, scores, strict=True)
    }


def _bytes(data: bytes) -> np.ndarray:
    return np.frombuffer(data, dtype=np.uint8)
