"""A person's own verdicts in a run: what it depends on by them, the copy of them that it keeps, and whose are obeyed.

The rows count, not the file: another order of them, or a row that says nothing, is the same run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from raysep.errors import BadInput, RunConflict

if TYPE_CHECKING:
    from raysep.decision.by_hand import Said
    from raysep.rundir import Run

FILE = "verdicts.csv"


def parts(uri: str | None, refit: bool, labels: Sequence[str]) -> list[Any]:
    """What a run's fingerprint has of them: the rows, sorted, and whether the fusion learns from them; [] without a file.

    Raises ``BadInput`` for a file that is not one of verdicts, and for a refit without one.
    """
    from raysep.decision.by_hand import read_verdicts

    if not uri:
        _refuse_nothing_to_learn(refit)
        return []
    return [sorted(each._replace(line=0) for each in read_verdicts(uri, labels)), refit]


def keep(run: Run, uri: str | None, said: Sequence[Said], refit: bool) -> None:
    """Leave the verdicts in the run, where deciding again finds them."""
    from raysep.decision.by_hand import as_csv

    run.write_bytes(as_csv(said), FILE)
    run.update({"verdicts": uri, "refit": refit})


def of(run: Run, uri: str | None, refit: bool | None, labels: Sequence[str]) -> tuple[list[Said] | None, bool]:
    """The verdicts of a file, or without one those of the run (None: it has none), and whether to learn from them.

    ``refit``: None = as in the run. Raises ``BadInput`` as ``parts`` does.
    """
    from raysep.decision.by_hand import read_verdicts

    place = uri or (run.path(FILE) if run.has(FILE) else None)
    if place is None:
        _refuse_nothing_to_learn(bool(refit))
        return None, False
    return read_verdicts(place, labels), bool(run.read_json("run.json").get("refit")) if refit is None else refit


def kept_in(run: Run) -> list[Said]:
    """Those that the run was made with, which it keeps; none where it was made without."""
    from raysep.decision.by_hand import read_verdicts

    return read_verdicts(run.path(FILE), run.read_json("run.json")["config"]["labels"]) if run.has(FILE) else []


def refuse_others(run: Run, given: str | None, config: Mapping[str, Any], digests: Mapping[str, Any]) -> None:
    """Raise ``RunConflict`` with the way out where a run is the same as that which is there but for the verdicts."""
    there = run.read_json("run.json")
    before = there.get("verdicts")
    if (given or before) and there.get("config") == config and there.get("digests") == digests:
        raise RunConflict(
            f"{run.root}: was made with {'other verdicts' if before else 'no verdicts of yours'}; `raysep decide {run.root} "
            "--verdicts FILE --out FILE` obeys yours without scoring again, or choose another --out"
        )


def lines(found: Mapping[str, Any]) -> list[str]:
    """What a decision's summary says of them, obeyed and learnt from; none where none were given."""
    from raysep.decision import by_hand, refit

    learned = refit.sentence(found.get("learned"))
    return [*by_hand.sentences(found.get("verdicts")), *([learned] if learned else [])]


def _refuse_nothing_to_learn(refit: bool) -> None:
    if refit:
        raise BadInput("--refit: learns from your verdicts: give --verdicts too")
