"""How a decision is acted on: a handling makes, of the stems and what is decided of them, the entries of a training.

    decision rows + stems ─ handling ─ entries: a stem, the label it is used as, its weight, the spans left out

What trains, searches, exports or shows a cleaned corpus reads entries and nothing else. A name is one of ``HANDLINGS``, or
the import path ``package.module:NAME`` of a ``Handling`` of the user's own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from raysep.decision.handling.base import Decision, Handling, NotMade, named
from raysep.decision.handling.by_word import by_word
from raysep.decision.handling.mask import COLUMN as PLACES
from raysep.decision.handling.mask import UNSEEN
from raysep.decision.handling.reading import failed_in, has_column, removed_in, spoken_of
from raysep.decision.handling.restore import COLUMN as RESTORED
from raysep.decision.handling.restore import is_restored
from raysep.decision.handling.unchosen import unchosen
from raysep.errors import BadInput
from raysep.imports import registered
from raysep.training.entry import Entry

if TYPE_CHECKING:
    import pyarrow as pa

    from raysep.corpus.manifest import Stem
    from raysep.rundir import Run

__all__ = [
    "HANDLINGS",
    "Decision",
    "Entry",
    "Handling",
    "NotMade",
    "counted",
    "cut",
    "described",
    "in_place_of",
    "masked",
    "named",
    "refuse_beforehand",
    "relabelled",
    "resolve",
    "restored",
    "spared",
    "supplied",
    "told",
    "unchosen",
    "unlike",
    "use",
]

HANDLINGS: dict[str, str] = {  # as text: a new one is a file and a line here
    "drop": "raysep.decision.handling.drop:DROP",
    "weight": "raysep.decision.handling.weight:WEIGHT",
    "relabel": "raysep.decision.handling.relabel:RELABEL",
    "spare": "raysep.decision.handling.spare:SPARE",
    "auto": "raysep.decision.handling.auto:AUTO",
    "mask": "raysep.decision.handling.mask:MASK",
    "table": "raysep.decision.handling.table:TABLE",
    "descend": "raysep.decision.handling.descend:DESCEND",
    "restore": "raysep.decision.handling.restore:RESTORE",
}


def resolve(name: str) -> Handling:
    """The handling of a name or an import path; importing a path runs its module. Raises ``BadInput``."""
    found = registered("handling", name, HANDLINGS, "one of your own as package.module:NAME")
    if not isinstance(found, Handling):
        raise BadInput(f"handling {name!r}: not a raysep.decision.handling.Handling")
    return found


def refuse_beforehand(name: str) -> None:
    """Raise ``BadInput`` for a handling that a run which has not decided yet cannot have."""
    handled = resolve(name)
    if handled.table:
        raise BadInput(
            f"decision.handling = {name}: goes by what `{handled.made_by}` finds in a run that has decided: clean without it, "
            f"then `raysep decide RUN --handling {name}`"
        )


def supplied(name: str, decision: pa.Table, run: Run) -> pa.Table:
    """The run's decision table with what else the handling goes by. Raises ``NotMade`` when the run does not have that."""
    handled = resolve(name)
    if handled.table and not run.has(handled.table):
        raise NotMade(f"{run.root}: has no {handled.table} yet, by which {name} handles: `{handled.made_by}` makes it")
    if handled.find:
        return handled.find(decision, run)
    return handled.join(decision, run.read_table(handled.table)) if handled.table and handled.join else decision


def use(name: str, decision: Decision, stems: Iterable[Stem]) -> list[Entry]:
    """The stems as they are used by the handling ``name``; what is left out has no entry, or one of weight 0.

    A stem that the decision has no row of is left out by every handling of ``HANDLINGS``; one that a person has said
    something of (the column ``verdict``) is used as was said, and no handling is asked. Raises ``BadInput`` for a name that
    is not known, and for a handling of the user's own that gives what nobody could train on.
    """
    left, said = list(stems), list["Stem"]()
    if spoken := spoken_of(decision):
        said = [stem for stem in left if stem.stem_id in spoken]
        left = [stem for stem in left if stem.stem_id not in spoken]
    entries = [*resolve(name).apply(decision, left), *by_word(decision, said)]
    for entry in entries:
        if not isinstance(entry, Entry):
            raise BadInput(f"handling {name!r}: gives {entry!r}, which is not a raysep.training.entry.Entry")
        if not (math.isfinite(entry.weight) and entry.weight >= 0):
            raise BadInput(
                f"handling {name!r}: weight {entry.weight} of {entry.stem.stem_id}: must be a number of at least 0"
            )
    return entries


def _moved(entries: Iterable[Entry]) -> list[Entry]:
    """Those that are used under another label than their own."""
    return sorted(entry for entry in entries if entry.weight > 0 and entry.label != entry.stem.stem)


def _spared(entries: Iterable[Entry], decision: Decision) -> list[str]:
    """The stems that are used whole although the decision would remove them."""
    removed, some_restored = removed_in(decision) - spoken_of(decision), has_column(decision, RESTORED)
    return sorted(
        entry.stem.stem_id
        for entry in entries
        if entry.stem.stem_id in removed
        and entry.weight == 1
        and not entry.spans
        and entry.label == entry.stem.stem
        and not (some_restored and is_restored(entry, decision))
    )


def _masked(entries: Iterable[Entry], decision: Decision) -> list[str]:
    """The stems that the decision would remove and that are used without the spans that are wrong."""
    removed = removed_in(decision)
    return sorted(
        entry.stem.stem_id for entry in entries if entry.weight > 0 and entry.spans and entry.stem.stem_id in removed
    )


def _restored(entries: Iterable[Entry], decision: Decision) -> list[Entry]:
    """The stems that are used as the separator restored them."""
    if not has_column(decision, RESTORED):
        return []
    return sorted(entry for entry in entries if entry.weight > 0 and is_restored(entry, decision))


def _weighed(entries: Iterable[Entry], decision: Decision) -> list[str]:
    """The stems that the decision would remove and that are drawn more or less often than others instead."""
    removed = removed_in(decision)
    return sorted(
        entry.stem.stem_id
        for entry in entries
        if entry.weight not in (0, 1)
        and not entry.spans
        and entry.label == entry.stem.stem
        and entry.stem.stem_id in removed
    )


def _left_out(entries: Iterable[Entry], decision: Decision) -> list[str]:
    """The stems that could be read and are not used at all."""
    used = {entry.stem.stem_id for entry in entries if entry.weight > 0} | failed_in(decision)
    return sorted(stem_id for stem_id in decision if stem_id not in used)


def _unseen(decision: Decision) -> list[str]:
    """The removed stems of which nothing says where they are wrong."""
    if not has_column(decision, PLACES):
        return []
    return sorted(stem_id for stem_id, row in decision.items() if row[PLACES] == UNSEEN and not row.get("verdict"))


def counted(name: str, entries: Iterable[Entry], decision: Decision) -> dict[str, str | int]:
    """What the handling ``name`` made of a decision, for its summary: how many stems are used, and how otherwise."""
    entries = list(entries)
    return {
        "handling": name,
        "used": sum(entry.weight > 0 for entry in entries),
        "left_out": len(_left_out(entries, decision)),
        "relabelled": len(_moved(entries)),
        "spared": len(_spared(entries, decision)),
        "masked": len(_masked(entries, decision)),
        "weighed": len(_weighed(entries, decision)),
        "unseen": len(_unseen(decision)),
        "restored": len(_restored(entries, decision)),
    }


def relabelled(entries: Iterable[Entry]) -> str:
    """How many stems are used under another label than their own, and the first one, in words; "" for none."""
    moved = _moved(entries)
    if not moved:
        return ""
    are = "stem is" if len(moved) == 1 else "stems are"
    return f"{len(moved)} {are} used under another label, first {moved[0].stem.stem_id} as {moved[0].label}"


def spared(entries: Iterable[Entry], decision: Decision) -> str:
    """How many stems are used whole although the decision would remove them, and the first one, in words; "" for none."""
    kept = _spared(entries, decision)
    if not kept:
        return ""
    look, does = ("stem looks", "its fault") if len(kept) == 1 else ("stems look", "their fault")
    return f"{len(kept)} {look} wrong and {'is' if len(kept) == 1 else 'are'} used, as {does} does no harm, first {kept[0]}"


def cut(entries: Iterable[Entry]) -> str:
    """How many stems are used without some of their seconds, and the first one, in words; "" for none."""
    used = sorted(entry.stem.stem_id for entry in entries if entry.weight > 0 and entry.spans)
    are = "stem is" if len(used) == 1 else "stems are"
    return f"{len(used)} {are} used without the seconds that are wrong, first {used[0]}" if used else ""


def masked(entries: Iterable[Entry], decision: Decision) -> str:
    """The same of a decision that was made for ``mask``, and of how many removed stems nobody knows these seconds."""
    if not has_column(decision, PLACES):
        return ""
    unseen = _unseen(decision)
    rest = f"{len(unseen)} removed, and nothing says where they are wrong, first {unseen[0]}" if unseen else ""
    return "; ".join(filter(None, (cut(entries) or "no removed stem is wrong only in places", rest)))


def restored(entries: Iterable[Entry], decision: Decision) -> str:
    """How many stems are used as they were restored, and the first one, in words; "" where nothing was to be restored."""
    if not has_column(decision, RESTORED):
        return ""
    return in_place_of(_restored(entries, decision)) or "no removed stem is restored"


def told(entries: Iterable[Entry], decision: Decision) -> str:
    """What was done beyond keeping and leaving out, in words; "" for nothing."""
    entries = list(entries)
    by_decision = (each(entries, decision) for each in (spared, masked, restored))
    return "; ".join(filter(None, (relabelled(entries), *by_decision)))


def unlike(entries: Iterable[Entry], stems: Iterable[Stem]) -> list[Entry]:
    """The used entries whose file is not that of their stem, of these: a training by them depends on it, too."""
    own = {stem.stem_id: stem.uri for stem in stems}
    used = (entry for entry in entries if entry.weight > 0)
    return sorted(entry for entry in used if own.get(entry.stem.stem_id, entry.stem.uri) != entry.stem.uri)


def in_place_of(restored: Sequence[Entry]) -> str:
    """How many stems are used as they were restored, and the first one, in words; "" for none."""
    if not restored:
        return ""
    are = "stem is" if len(restored) == 1 else "stems are"
    return f"{len(restored)} {are} used without what the separator takes for other labels, first {restored[0].stem.stem_id}"


def described() -> str:
    """Every handling by name, and what it does, in one line."""
    return "; ".join(f"{name}: {resolve(name).about}" for name in HANDLINGS)
