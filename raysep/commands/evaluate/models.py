"""Which separators a command line means: checkpoints, or run folders with the checkpoints of their arms and seeds."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any

from raysep.corpus import storage
from raysep.errors import BadInput

SUFFIX = ".safetensors"
OF_AN_ARM = re.compile(rf"(?P<arm>.+)-seed(?P<seed>\d+){re.escape(SUFFIX)}")
MIXTURE = "mixture"  # the name of the baseline that returns the mixture as every stem


@dataclass(frozen=True)
class Candidate:
    """One checkpoint under the name that tables show; those of one name are the seeds of one arm."""

    name: str
    seed: int | None  # from a file name that ends in -seedN
    uri: str  # empty for the baseline
    digest: str
    stems: tuple[str, ...]
    network: dict[str, Any]  # what the checkpoint says about itself

    def among(self, labels: Sequence[str]) -> Candidate:
        """The same, judged on these stems alone."""
        return replace(self, stems=tuple(stem for stem in self.stems if stem in labels))

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def find(places: Sequence[str]) -> list[Candidate]:
    """The candidates of checkpoints and run folders, in their order; a checkpoint given twice counts once.

    An arm is called by its own name when that tells it from all others, else with its run folder before it. A checkpoint
    without a seed is no seed of the arm of its name. Raises ``BadInput`` for a place that is neither, and for arms that
    no name tells apart.
    """
    uris = list(dict.fromkeys(uri for place in places for uri in _checkpoints(storage.absolute(place))))
    return [_candidate(uri, name) for uri, name in _names(uris).items()]


def baseline(stems: Sequence[str]) -> Candidate:
    """What a separator must beat: the mixture itself as every stem."""
    return Candidate(MIXTURE, None, "", "", tuple(stems), {})


def _checkpoints(place: str) -> list[str]:
    """The URIs of one checkpoint, or of a run folder's arms."""
    if place.endswith(SUFFIX):
        return [place]
    folder = storage.join(place, "checkpoints")
    try:
        files = storage.list_files(folder, recursive=False)
    except NotADirectoryError:
        files = []
    uris = [storage.uri_of(folder, info) for info in files]
    arms = [uri for uri in uris if OF_AN_ARM.fullmatch(posixpath.basename(uri))]
    if not arms:
        raise BadInput(
            f"{place}: no separator here; give a checkpoint ({SUFFIX}) or the folder of a run whose checkpoints/ holds "
            f"ARM-seedN{SUFFIX}"
        )
    return sorted(arms)


def _arm(uri: str) -> tuple[str, int | None]:
    """(arm, seed) of a checkpoint's file name."""
    name = posixpath.basename(uri)
    if found := OF_AN_ARM.fullmatch(name):
        return found["arm"], int(found["seed"])
    return name.removesuffix(SUFFIX), None


def _names(uris: list[str]) -> dict[str, str]:
    """Checkpoint → the shortest name that no other arm has: ``arm``, else ``run/arm``."""
    arms = {uri: (posixpath.dirname(uri), _arm(uri)[0], _arm(uri)[1] is None) for uri in uris}
    known = [arm for _, arm, _ in dict.fromkeys(arms.values())]
    names = {}
    for uri, (folder, arm, _) in arms.items():
        alone = known.count(arm) == 1 and arm != MIXTURE
        names[uri] = arm if alone else f"{folder.removesuffix('/checkpoints').rsplit('/', 1)[-1]}/{arm}"
    for one, other in combinations(uris, 2):
        if names[one] == names[other] and (arms[one] != arms[other] or _arm(one) == _arm(other)):
            what = "files" if arms[one][0] == arms[other][0] else "folders"
            raise BadInput(f"{one} and {other}: both would be called {names[one]!r}; rename one of the {what}")
    return names


def _candidate(uri: str, name: str) -> Candidate:
    from raysep.separators import checkpoint

    try:
        data = storage.read_bytes(uri)
    except FileNotFoundError as error:
        raise BadInput(f"{uri}: no such checkpoint; give one that `raysep train` wrote, or a run's folder") from error
    found = checkpoint.from_bytes(data, uri)
    return Candidate(
        name=name,
        seed=_arm(uri)[1],
        uri=uri,
        digest=storage.digest(data),
        stems=checkpoint.network_of(found).stems,
        network=checkpoint.sidecar(found),
    )
