"""What a run works on: told before anything is computed, kept in its folder, read back, compared with what is there now."""

from __future__ import annotations

from raysep.config import Config
from raysep.corpus import manifest
from raysep.corpus.identity import known_by
from raysep.corpus.inputs import Inputs, size_of
from raysep.corpus.manifest import Stem
from raysep.corpus.pools import pool_note
from raysep.corpus.tags import is_known
from raysep.errors import RunConflict
from raysep.rundir import Run
from raysep.screen import Progress

MANIFESTS = {  # role → file in the folder of a run
    "corpus": "manifest.parquet",
    "reference": "reference.parquet",
    "test": "test.parquet",
    "validation": "validation.parquet",
}


def inputs_in(run: Run) -> Inputs:
    """What a run works on, from its folder alone."""
    return Inputs(**{role: manifest.read(run.path(file)) if run.has(file) else [] for role, file in MANIFESTS.items()})


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


def announce(progress: Progress, found: Inputs, config: Config) -> None:
    """Say what the run is about to work on."""
    count = {name: len(manifest.tracks_of(part)) for name, part in vars(found).items()}
    for role, part in vars(found).items():
        if role in ("reference", "test", "validation") and (mixed := pool_note(part)):
            progress.say(f"note: {role}: {mixed}, where a mixture is needed")
    if all(len(parts) == 1 for parts in manifest.tracks_of(found.corpus).values()):
        progress.say("note: no track of the corpus has a mixture of its own: the probes that read it are left out")
    progress.say(
        f"corpus {count['corpus']} tracks ({found.stem_seconds / 3600:.2f} h of stems), reference {count['reference']}, "
        f"test {count['test'] or 'none: the reference'}; {config.network.model}, {config.training.steps} steps"
    )
    if (size := size_of(found.reference)) < config.planting.least_tracks:
        progress.say(
            f"the reference is too small to calibrate ({size} tracks, {config.planting.least_tracks} are "
            "needed): the stems will be ranked, but no share is estimated and none is removed"
        )
