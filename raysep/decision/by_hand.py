"""A person's word on stems: read from a CSV, and put above what the rule decided.

    stem_id,verdict,note
    Some Track/bass,remove,hum throughout
    Some Track/drums,keep,
    Other Track/other,vocals,this is the choir

The columns may stand in any order among others, as in the CSV of `raysep suspects`; a row without a verdict says nothing.
Without a header the first three columns are these.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raysep.corpus import sheets
from raysep.corpus.names import normal
from raysep.decision.handling.by_word import KEEP, REMOVE
from raysep.decision.handling.reading import rows_of
from raysep.decision.verdicts import METADATA, summary
from raysep.errors import BadInput
from raysep.outcome import Outcome

COLUMNS = ("stem_id", "verdict", "note")


class Said(NamedTuple):
    """What was said of one stem."""

    stem_id: str
    verdict: str  # keep, remove, or the label that it is used as
    note: str
    line: int


# Reading ------------------------------------------------------------------------------------------------------------


def read_verdicts(uri: str, labels: Sequence[str]) -> list[Said]:
    """The rows of a CSV that say something, in its order. ``labels`` are those that a verdict may name.

    Raises ``BadInput`` with the line for a verdict that is none of these words, or of no stem, and for two of one stem that differ.
    """
    try:
        text = sheets.text_of(uri, f"--verdicts {uri}")
    except FileNotFoundError:
        raise BadInput(
            f"--verdicts {uri}: no such file; `raysep suspects RUN --csv FILE` writes one to fill in"
        ) from None
    known = {_plain(word): word for word in (KEEP, REMOVE, *labels)}
    said = [_said(row, known, f"--verdicts {uri}, line {row['line']}") for row in _rows(text, uri)]
    _refuse_two_words(said, uri)
    return said


def _rows(text: str, uri: str) -> Iterator[dict[str, Any]]:
    """The rows that hold a stem and a verdict, each with its line."""
    name, header = f"--verdicts {uri}", list(COLUMNS)
    for number, line in enumerate(sheets.lines(text, name, COLUMNS)):
        if number == 0 and {"stem_id", "verdict"} & (found := {sheets.plain(cell) for cell in line.cells}):
            if lacking := [column for column in COLUMNS[:2] if column not in found]:
                raise BadInput(f"{name}: has no column {lacking[0]!r}; its columns are to be {', '.join(COLUMNS)}")
            sheets.refuse_twice(line.cells, name)
            header = [sheets.plain(cell) for cell in line.cells]
            continue
        row: dict[str, Any] = dict(sheets.by_column(header, line, name))
        if row["verdict"].strip():
            if not row["stem_id"].strip():
                raise BadInput(
                    f"{name}, line {line.number}: verdict {row['verdict']!r} of no stem; fill in its stem_id"
                )
            yield row | {"line": line.number}


def _said(row: dict[str, Any], known: dict[str, str], where: str) -> Said:
    word = known.get(_plain(row["verdict"]))
    if word is None:
        raise BadInput(
            f"{where}: verdict {row['verdict']!r} of {row['stem_id']}: must be one of {', '.join(known.values())}"
        )
    return Said(row["stem_id"].strip(), word, (row.get("note") or "").strip(), row["line"])


def _refuse_two_words(said: Iterable[Said], uri: str) -> None:
    first: dict[str, Said] = {}
    for each in said:
        before = first.setdefault(normal(each.stem_id), each)
        if before.verdict != each.verdict:
            raise BadInput(
                f"--verdicts {uri}: {each.stem_id} is {before.verdict!r} in line {before.line} and {each.verdict!r} in line "
                f"{each.line}; keep one of them"
            )


def _plain(cell: str) -> str:
    return cell.strip().casefold()


def as_csv(said: Iterable[Said]) -> bytes:
    """The same rows as a CSV of their own, in the order of the stems."""
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    rows.writerow(COLUMNS)
    rows.writerows((each.stem_id, each.verdict, each.note) for each in sorted(said))
    return text.getvalue().encode()


def verdict_of(said: Iterable[Said]) -> dict[str, str]:
    """stem_id → its verdict."""
    return {each.stem_id: each.verdict for each in said}


def spelt_as_in(stem_ids: Iterable[str], said: Sequence[Said]) -> list[Said]:
    """The same words, of each stem by its name among these, whatever its Unicode form and the blanks about it."""
    if not said:
        return []
    names = list(stem_ids)
    spelt = {normal(name).strip(): name for name in names} | {normal(name): name for name in names}
    return [each._replace(stem_id=spelt.get(normal(each.stem_id), each.stem_id)) for each in said]


# Obeying ------------------------------------------------------------------------------------------------------------


def obey(decision: pa.Table, said: Sequence[Said]) -> pa.Table:
    """The decision with a person's word in it: above the rule and the floor, with the reason, and counted in the summary.

    A stem that is kept by hand has the weight 1; one that is removed, or used as another label, has none under its own. What
    cannot be obeyed is counted: a stem that is not there, and one that is to be used and could not be read.
    """
    rows = rows_of(decision)
    by_name = {normal(each.stem_id): each for each in spelt_as_in(rows, said)}
    named = [(number, rows[name], by_name[name]) for number, name in enumerate(rows) if name in by_name]
    unknown = [each.stem_id for name, each in by_name.items() if name not in rows]
    unreadable = [row["stem_id"] for _, row, word in named if not _possible(row, word)]
    obeyed = [(number, row, _with_word(row, word)) for number, row, word in named if _possible(row, word)]
    table = _replaced(decision, {number: new for number, _, new in obeyed})
    told = summary(decision)
    kept, moved = pc.sum(table["keep"]).as_py() or 0, pc.is_valid(table["label"])
    told["counts"] |= {"kept": kept, "removed": len(table) - kept, "other_label": pc.sum(moved).as_py() or 0}
    other = table.filter(moved).slice(0, 1).to_pylist()
    told |= {
        "first_other_label": f"{other[0]['stem_id']} like {other[0]['label']}" if other else None,
        "removed_share": told["counts"]["removed"] / max(1, len(table)),
    }
    if pc.any(pc.and_(pc.invert(table["keep"]), pc.equal(table["outcome"], Outcome.SCORED))).as_py():
        told |= {"none_removed": None, "none_removed_by": None}
    words = Counter(new["verdict"] for _, _, new in obeyed)
    told["verdicts"] = {
        "given": len(by_name),
        "kept": words[KEEP],
        "removed": words[REMOVE],
        "relabelled": len(obeyed) - words[KEEP] - words[REMOVE],
        "against_the_rule": sum(before["keep"] != after["keep"] for _, before, after in obeyed),
        "unknown": len(unknown),
        "first_unknown": next(iter(unknown), None),
        "unreadable": len(unreadable),
        "first_unreadable": next(iter(unreadable), None),
    }
    return table.replace_schema_metadata({**decision.schema.metadata, METADATA: json.dumps(told).encode()})


def _replaced(decision: pa.Table, new: Mapping[int, Mapping[str, Any]]) -> pa.Table:
    """The decision with other values in some of its rows, row → column → value; every row names the same columns."""
    there = np.zeros(len(decision), dtype=bool)
    there[list(new)] = True
    for name in next(iter(new.values()), {}):
        field = decision.schema.field(name)
        values = pa.array([row[name] for row in new.values()], field.type)
        column = pc.replace_with_mask(decision[name].combine_chunks(), pa.array(there), values)
        decision = decision.set_column(decision.schema.get_field_index(name), field, column)
    return decision


def _possible(row: Mapping[str, Any], word: Said) -> bool:
    return row["outcome"] != Outcome.FAILED or word.verdict == REMOVE


def _with_word(row: Mapping[str, Any], word: Said) -> dict[str, Any]:
    """What becomes of the columns that the word is about."""
    verdict = KEEP if word.verdict == row["stem"] else word.verdict
    other = None if verdict in (KEEP, REMOVE) else verdict
    note = f" ({word.note})" if word.note else ""
    return {
        "keep": verdict == KEEP,
        "weight": 1.0 if verdict == KEEP else 0.0,
        "label": other,
        "verdict": verdict,
        "reason": f"you: {verdict}{note}; {row['reason']}",
    }


def sentences(told: dict[str, Any] | None) -> list[str]:
    """The summary's ``verdicts`` in words; nothing where none were given."""
    if not told:
        return []
    lines = [
        f"your {told['given']} {'verdict' if told['given'] == 1 else 'verdicts'}: {told['kept']} kept, {told['removed']} removed, {told['relabelled']} under another "
        f"label; {told['against_the_rule']} of them against the rule"
    ]
    if told["unknown"]:
        lines.append(
            f"{told['unknown']} of your {told['given']} verdicts name no stem of the corpus, first {told['first_unknown']}"
        )
    if told["unreadable"]:
        lines.append(
            f"{told['unreadable']} stems that you use could not be read and stay out, first {told['first_unreadable']}"
        )
    return lines
