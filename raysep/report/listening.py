"""The section "Which stems?": a desk to listen at and to judge, and below it every stem of the corpus.

Without a script all stems that can be heard stand one below the other with their players; with it they are taken one by one,
by mouse or by keys, and what is said of them becomes ``verdicts.csv``.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from raysep.report import findings
from raysep.report.data import Listing, ReportData, Row, Take
from raysep.report.decided import PLACES, REMOVED, WORDS
from raysep.report.decided import place as place_of
from raysep.report.markup import Column, details, facts, note, playable, player, section, stem_name, table, text
from raysep.report.numbers import anything, count, decimal, known, probability
from raysep.report.scope import clock, scope, whereabouts

LISTED = 200  # rows of the list without a script; the table beside the report holds all of them
SUSPECTS = 10  # where nothing was chosen to be heard
GROUPS = {
    "changed": "Judged otherwise by your verdicts",
    "suspect": "Most suspect",
    "doubtful": "Beside the line",
    "kept": "Kept, to compare with",
}
KEYS = (
    ("n, p", "the next stem, the one before"),
    ("space", "play, pause"),
    ("s, m, h, t", "hear the stem, its mixture, what the separator hears, the trusted one"),
    ("w", "play the marked seconds"),
    ("← →", "a second back, forth"),
    ("k", "keep"),
    ("r", "remove"),
    ("1 … 9", "use it as the label of that number"),
    ("u", "take the verdict back"),
    ("/", "search"),
    ("d", "download verdicts.csv"),
    ("?", "these keys"),
)


def suspects(data: ReportData) -> str:
    """The stems to listen to with their evidence, and the list of all."""
    shown = data.suspects or findings.most_suspect(data, SUSPECTS)
    if not shown:
        return ""
    labels = data.listing.labels if data.listing else []
    cards = "".join(card(row, number, labels) for number, row in enumerate(shown))
    desk = f'<div class="desk"><div class="roll" role="group" aria-label="Stems to listen to">{_roll(shown)}</div>'
    desk += f'<div class="cards">{cards}</div></div>'
    desk += f'<p class="soft">{text(data.unheard)}</p>' if data.unheard else ""
    lead = "What the judgement rests on, to be seen and heard. A higher suspicion means more likely corrupt."
    return section("suspects", "Which stems?", _bar(data.listing) + desk + _all(data) + _set_aside(data), lead)


def is_live(data: ReportData) -> bool:
    """Whether there is anything for a script to do."""
    return data.listing is not None


# The desk


def _roll(rows: Sequence[Row]) -> str:
    numbered = list(enumerate(rows))
    body = ""
    for group, members in groupby(numbered, key=lambda each: each[1].get("group") or "suspect"):
        items = "".join(
            f'<li><a href="#stem-{number}">{stem_name(row)}<span class="chance">{_chance(row)}</span></a></li>'
            for number, row in members
        )
        body += f"<h3>{text(GROUPS.get(str(group), group))}</h3><ol>{items}</ol>"
    return body


def _chance(row: Row) -> str:
    return probability(row["p_corrupt"]) if known(row.get("p_corrupt")) else ""


def card(row: Row, number: int | str, labels: Sequence[str] = ()) -> str:
    """One stem: what became of it and why, its sounds, and the buttons for a verdict."""
    name = anything(row.get("stem_id"))
    place = place_of(row) if "keep" in row else ""
    fate = text(row.get("used") or WORDS.get(place, ""))
    outcome = f'<span class="mark {place}">{fate}</span>' if place else ""
    figures = [("P(corrupt)", probability(row.get("p_corrupt"))), ("Suspicion", decimal(row.get("suspicion"), 2))]
    figures += [("Looks like", text(row["kind"]))] if row.get("kind") else []
    figures += [("Harm, if wrong", decimal(row["harm"], 2))] if known(row.get("harm")) else []
    figures += [("Worth", text(row["price"]))] if row.get("price") else []
    body = f"<h3>{stem_name(row)} {outcome}</h3>"
    spoken = "".join(f"<li>{text(words)}</li>" for words in row.get("evidence") or ())
    body += f'<ul class="evidence" aria-label="What speaks against it">{spoken}</ul>' if spoken else ""
    if not spoken and row.get("group"):
        body += '<p class="evidence">Nothing stands out against it.</p>'
    body += facts(figures)
    reason = _rest(str(row.get("reason") or ""), row.get("evidence") or ())
    body += f'<p class="reason">{text(reason)}</p>' if reason else ""
    body += _sounds(row, name) + (_verdict(labels, name) if labels else "")
    body += note(text(row["note"])) if row.get("note") else ""
    body += f'<p class="path code">{text(row["path"])}</p>' if row.get("path") else ""
    return (
        f'<article class="card" id="stem-{number}" data-stem="{text(name)}" aria-label="{text(name)}">{body}</article>'
    )


def _rest(reason: str, evidence: Sequence[str]) -> str:
    """What a reason says beside what is said above it already."""
    rule, _, found = reason.partition("; ")
    return rule if found in evidence else reason


def _sounds(row: Row, name: str) -> str:
    takes = [take for take in row.get("takes") or () if playable(take.source)]
    if not takes:
        return ""
    heard = "".join(_take(take, name, number) for number, take in enumerate(takes))
    marked = takes[0].span
    words = f"{clock(marked[0], 1)} to {clock(marked[1], 1)}: {text(row.get('worst') or 'marked')}" if marked else ""
    where = whereabouts(row["where"], name) if row.get("where") else ""
    worst = f'<button type="button" data-do="worst">Marked seconds</button> <span>{words}</span>' if marked else ""
    tabs = "".join(
        f'<button type="button" data-take="{number}" aria-pressed="{"false" if number else "true"}">{text(take.name)}</button>'
        for number, take in enumerate(takes)
    )
    transport = '<div class="transport live"><button type="button" class="play" data-do="play">Play</button>'
    transport += f'<span class="tabs" role="group" aria-label="What is heard">{tabs}</span>'
    transport += '<span class="time" role="timer"></span></div>'
    line = f'<p class="marked">{worst}</p>' if worst else ""
    return f'<div class="sounds">{transport}<div class="takes">{heard}</div>{line}{where}</div>'


def _take(take: Take, name: str, number: int) -> str:
    about = f' <span class="soft">{text(take.about)}</span>' if take.about else ""
    marked = f' data-worst="{take.span[0]:.3f} {take.span[1]:.3f}"' if take.span else ""
    return (
        f'<figure class="take" data-start="{take.start:.3f}" data-seconds="{take.outline.seconds:.3f}"{marked}>'
        f"<figcaption><b>{text(take.name)}</b>{about}</figcaption>{scope(take, name)}"
        f"{player(take.source, f'{take.name} of {name}')}</figure>"
    )


def _verdict(labels: Sequence[str], name: str) -> str:
    options = "".join(f'<option value="{text(label)}">{k}: {text(label)}</option>' for k, label in enumerate(labels, 1))
    return (
        f'<div class="verdict live" role="group" aria-label="Your verdict on {text(name)}"><b>Your verdict</b>'
        '<button type="button" data-verdict="keep" aria-pressed="false">Keep</button>'
        '<button type="button" data-verdict="remove" aria-pressed="false">Remove</button>'
        f'<select aria-label="Use it as"><option value="">Use as …</option>{options}</select>'
        '<input type="text" placeholder="Note" aria-label="Note" maxlength="300"></div>'
    )


# All stems


def _bar(listing: Listing | None) -> str:
    """What was said so far, and how it is taken back to the command line."""
    if listing is None:
        return ""
    run = text(shlex.quote(listing.run or "RUN"))
    keys = "".join(f"<div><dt><kbd>{text(key)}</kbd></dt><dd>{text(what)}</dd></div>" for key, what in KEYS)
    return (
        '<div class="saying live"><p><b id="said">No verdict yet.</b> <button type="button" id="download">Download '
        'verdicts.csv</button> <button type="button" id="forget">Forget all</button></p>'
        f'<p class="soft">Then <code>raysep review {run} verdicts.csv</code> obeys them, and shows what they change.</p>'
        f'<details class="keys"><summary>Keys</summary><p><label><input type="checkbox" id="keys" checked> Single keys '
        f"act on the stem that is open</label></p><dl>{keys}</dl></details>"
        '<p class="sr" id="told" role="status"></p></div>'
    )


def _all(data: ReportData) -> str:
    """The table that a script fills, some rows at a time, from the columns beside it."""
    listing = data.listing
    if listing is None:
        return ""
    total = len(listing.columns["track"])
    left = (
        f" The {count(listing.left_out)} least suspect ones are in decision.parquet alone." if listing.left_out else ""
    )
    hear = "Any of them can be heard." if data.served else "Those that this page has no sound of can be heard with "
    hear += "" if data.served else f"<code>raysep listen {text(shlex.quote(listing.run or 'RUN'))}</code>."
    heads = {"track": "Stem", "p": "P(corrupt)", "suspicion": "Suspicion", "fate": "Decision", "kind": "Looks like"}
    heads |= {"evidence": "What speaks loudest", "verdict": "Your verdict"}
    cells = "".join(
        f'<th scope="col"><button type="button" data-sort="{key}">{text(words)}</button></th>'
        for key, words in heads.items()
    )
    return (
        f'<div class="all live" id="all"><h3>All {count(total)} stems</h3><p class="soft">{hear}{left}</p>'
        '<form class="filters" role="search"><input type="search" id="search" placeholder="Search names, files, evidence" '
        f'aria-label="Search">{_select("label", "Label", listing.labels)}{_select("fate", "Decision", sorted(listing.fates))}'
        f"{_select('kind', 'Looks like', [kind for kind in listing.kinds if kind])}"
        f"{_select('said', 'Verdict', ('with a verdict', 'without one'))}</form>"
        '<div class="scroll" role="region" tabindex="0" aria-label="All stems"><table><caption>All stems</caption>'
        f'<thead><tr>{cells}</tr></thead><tbody id="rows"></tbody></table></div>'
        '<p class="pager"><button type="button" id="back">Before</button> <span id="range" role="status"></span> '
        '<button type="button" id="forth">Next</button></p></div>'
        f'<script type="application/json" id="stems">{_json(data)}</script>'
    )


def _select(name: str, words: str, values: Iterable[str]) -> str:
    options = "".join(f'<option value="{text(value)}">{text(value)}</option>' for value in values)
    return f'<select id="by-{name}" aria-label="{words}"><option value="">{words}: all</option>{options}</select>'


def _json(data: ReportData) -> str:
    """The listing as JSON that no text in it can end early."""
    listing = data.listing
    assert listing is not None
    told = {
        name: getattr(listing, name)
        for name in ("columns", "tracks", "labels", "kinds", "fates", "root", "key", "said")
    }
    told["columns"] = {name: packed(values) for name, values in listing.columns.items()}
    told |= {"places": list(PLACES), "served": data.served}
    return json.dumps(told, separators=(",", ":"), ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")


def packed(values: list[Any]) -> list[Any] | str:
    """A column of texts as one text, a line each, which a browser reads at once; any other column as it is."""
    lines = all(isinstance(value, str) and "\n" not in value for value in values)
    return "\n".join(values) if values and lines else values


def _set_aside(data: ReportData) -> str:
    """The removed stems as a plain list, for readers without a script."""
    decided = data.decided
    removed = np.flatnonzero(decided.place == REMOVED)
    if not len(removed):
        return ""
    shown = decided.worst(removed, LISTED)
    reasons = any(row.get("reason") for row in shown) or any(decided.row(row).get("reason") for row in removed.tolist())
    columns = [Column("Stem"), Column("Suspicion", "number"), Column("P(corrupt)", "number")]
    columns += [Column("Reason", "prose")] if reasons else []
    rows = []
    for row in shown:
        cells = [stem_name(row), decimal(row.get("suspicion"), 3), probability(row.get("p_corrupt"))]
        rows.append([*cells, text(row.get("reason"))] if reasons else cells)
    body = table("Stems set aside, most suspect first", columns, rows)
    if len(removed) > LISTED:
        body += note(f"{count(len(removed) - LISTED)} more are in the decision table beside this report.")
    return f'<div class="scriptless">{details(f"All {count(len(removed))} stems set aside", body)}</div>'
