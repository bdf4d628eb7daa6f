"""A corpus that has grown: the tracks that no earlier run has judged, judged by themselves, and what both keep as one manifest.

An earlier run's networks cannot judge them: they were trained on that run's corpus and evidence, and what they say of tracks
that they never heard can be compared neither with the rest nor with the evidence. So the new tracks are a corpus of their own,
with networks of their own; verdicts of the others stay as they are, and nothing of them is read or computed again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from raysep.corpus import identity, manifest
from raysep.corpus.manifest import Stem
from raysep.errors import BadInput
from raysep.rundir import Run, existing

JOINED = "joined.parquet"
AFTER = "after"  # key of run.json: the folder of the run whose verdicts stay


def chain(root: str) -> list[Run]:
    """A run and those that it came after, the last one first. Raises ``BadInput`` where one is not decided."""
    found: list[Run] = []
    following: str | None = root
    while following and all(run.root != following for run in found):
        found.append(existing(following, "decision.parquet", "manifest.parquet"))
        following = found[-1].read_json("run.json").get(AFTER)
    return found


def judged(runs: Sequence[Run]) -> list[Stem]:
    """What the runs of a chain have judged, as it was when it was last judged."""
    tracks: dict[str, list[Stem]] = {}
    for run in reversed(runs):
        own = manifest.read(run.path("manifest.parquet"))
        tracks |= {track: list(stems.values()) for track, stems in manifest.tracks_of(own).items()}
    return sorted(stem for stems in tracks.values() for stem in stems)


def only_new(corpus: Sequence[Stem], before: Sequence[Stem], after: str, say: Callable[[str], None]) -> list[Stem]:
    """The stems of tracks that were not judged before, or not with just these files. Raises ``BadInput`` when there is none."""
    there, now = manifest.tracks_of(before), manifest.tracks_of(corpus)
    new = [track for track in now if track not in there]
    changed = [track for track in now if track in there and _content(now[track]) != _content(there[track])]
    if not (new or changed):
        raise BadInput(
            f"--after {after}: has judged all {len(now)} tracks, as they are now: there is nothing new to judge"
        )
    told = [f"{len(some)} {what}, first {some[0]}" for some, what in ((new, "new"), (changed, "changed")) if some]
    stay = len(now) - len(new) - len(changed)
    say(
        f"after {after}: {'; '.join(told)}: judged by themselves, with networks of their own; {stay} tracks are as they were "
        "and keep their verdicts"
    )
    chosen = {*new, *changed}
    return [stem for stem in corpus if stem.track in chosen]


def _content(stems: Mapping[str, Stem]) -> set[tuple[str, int, str]]:
    return {(stem.stem_id, stem.bytes, stem.etag) for stem in stems.values()}


def way_out(run: Run, corpus: Sequence[Stem]) -> str:
    """What to say to somebody who gives a run a corpus that has grown since; "" when it has not."""
    if not run.has("manifest.parquet"):
        return ""
    there, now = manifest.tracks_of(manifest.read(run.path("manifest.parquet"))), manifest.tracks_of(corpus)
    new = [track for track in now if track not in there]
    if not (new and all(track in now and _content(now[track]) == _content(there[track]) for track in there)):
        return ""
    return (
        f"; {len(new)} tracks of the corpus are new since then, first {new[0]}: to judge them alone give another --out, and "
        f"--after {run.root}"
    )


def join(run: Run, after: str) -> str:
    """Leave in the folder what the run and those before it keep, and say in a line what that is."""
    earlier = existing(after, "cleaned.parquet")
    own = manifest.read(run.path("cleaned.parquet"))
    again = {stem.track for stem in manifest.read(run.path("manifest.parquet"))}
    kept = manifest.read(earlier.path(JOINED if earlier.has(JOINED) else "cleaned.parquet"))
    kept = [stem for stem in kept if stem.track not in again]
    sizes = identity.sizes_and_times(uri for stem in kept for uri in stem.uris)
    gone = [stem for stem in kept if not all(sizes[uri][0] for uri in stem.uris)]
    manifest.write(run.path(JOINED), [*(stem for stem in kept if stem not in gone), *own])
    run.update({AFTER: earlier.root})
    lost = f"; {len(gone)} more are not where they were, first {gone[0].uri}" if gone else ""
    return f"{run.path(JOINED)}: {len(kept) - len(gone)} stems that were kept before and {len(own)} of the new{lost}"
