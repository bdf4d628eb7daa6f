"""The report's main sections, one function each: data in, markup out; an empty string when there is nothing to show."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from raysep.report import findings, pictures
from raysep.report.data import ReportData, Row
from raysep.report.decided import KEPT, REMOVED
from raysep.report.markup import (
    Column,
    facts,
    figure,
    heading,
    keys_of,
    note,
    quoting,
    section,
    table,
    text,
)
from raysep.report.numbers import (
    anything,
    count,
    decibels,
    decimal,
    flatten,
    known,
    percent,
    span,
)


def results(data: ReportData) -> str:
    """The arms of the comparison, each with its interval on a common scale."""
    if not data.results:
        return ""
    gain = findings.gain_of(data)
    baseline, cleaned = (gain.get(key) or data.summary.get(other) for key, other in _ROLES)
    reference = next((row.get("sdr_mean") for row in data.results if row.get("arm") == baseline), None)
    labels = keys_of(row.get("per_label") or {} for row in data.results)
    extra = keys_of(data.results, {"arm", "sdr_mean", "low", "high", "per_label", "seeds", "stems"})
    bounds = pictures.bounds_of(row.get(key) for row in data.results for key in ("sdr_mean", "low", "high"))
    columns = [Column("Arm"), Column("Mean SDR, dB", "number"), Column(_scale(bounds), "figure")]
    columns += [Column("Interval, dB", "number")]
    columns += [Column("Against baseline", "number")] if known(reference) else []
    columns += [Column(label, "number") for label in labels]
    columns += [
        Column(heading(name), "number") for name in ("seeds", "stems") if any(name in row for row in data.results)
    ]
    columns += [Column(heading(name), "number") for name in extra]
    rows, marks = [], []
    for row in data.results:
        arm, mean, low, high = (row.get(key) for key in ("arm", "sdr_mean", "low", "high"))
        role = "cleaned" if arm == cleaned else "baseline" if arm == baseline else ""
        said = f"{anything(arm)}: {decibels(mean)}, {span(low, high)}"
        picture = pictures.interval(mean, low, high, bounds, said, reference, "keep" if role == "cleaned" else "plain")
        tag = f' <span class="chip">{role}</span>' if role and role != arm else ""
        cells = [f"<span>{text(arm)}</span>{tag}", decimal(mean), picture, span(low, high)]
        if known(reference):
            cells.append(decimal(mean - reference, 2, signed=True) if known(mean) and arm != baseline else "")
        cells += [decimal((row.get("per_label") or {}).get(label)) for label in labels]
        cells += [text(row.get(name)) for name in ("seeds", "stems") if any(name in other for other in data.results)]
        rows.append([*cells, *(figure(row.get(name)) for name in extra)])
        marks.append(role)
    caption = f"SDR in dB (higher is better) of the whole track on the {data.summary.get('tracks') or 'test tracks'}, mean over "
    caption += f"tracks, stems and seeds; {findings.level_of(data)} intervals over tracks and seeds"
    lead = "One row for each training set."
    lead += " One seed each: the intervals know nothing of seed noise." if findings.one_seed(data) else ""
    if findings.few(data, gain) == "two seeds":
        lead += " Two seeds: three are the least that a verdict can rest on."
    lead += " The vertical line marks the baseline." if known(reference) else ""
    notes = [(findings.reference_sentence(data), "warning"), (data.summary.get("silence") or "", "")]
    body = "".join(note(text(words), kind) for words, kind in notes if words)
    return section("effect", "Did cleaning help?", body + table(caption, columns, rows, marks), lead)


_ROLES = (("over", "baseline"), ("arm", "cleaned"))


def amount(data: ReportData) -> str:
    """The estimated share of corrupt stems, and what was set aside under each label."""
    share, counts = findings.share_of(data), findings.counts_by_label(data.decided)
    if not share and not counts:
        return ""
    estimate, low, high = (share.get(key) for key in ("estimate", "low", "high"))
    marks = {"best-bin estimate": share.get("bbe"), "Storey's estimate": share.get("storey")}
    body = ""
    if known(estimate):
        shown, sure = percent(estimate), findings.verdict(data).share.known
        body += pictures.share(estimate if sure else None, low, high, marks)  # a guess is no point on it
        pairs = [
            ("Estimated share", shown if sure else f"not known; a guess: {shown}"),
            (f"{findings.level_of(data)} interval", span(low, high, percent)),
        ]
        pairs += [(name.capitalize(), percent(value)) for name, value in marks.items() if known(value)]
        if share.get("exchangeable") is not None:
            pairs.append(("Calibration exchangeable", text(share["exchangeable"])))
        body += facts(pairs)
    elif share:
        pairs = [(name.capitalize(), percent(value)) for name, value in marks.items() if known(value)]
        body += facts(pairs)
    if findings.doubtful(share):
        body += note(text(share.get("warning") or "The calibration stems cannot stand for the corpus."), "warning")
    if counts:
        rows = [_count_row(label, one) for label, one in counts.items()]
        rows += [_count_row("all", findings.counts_of(data.decided))] if len(counts) > 1 else []
        columns = [Column("Label"), Column("What became of its stems", "figure wide"), Column("Stems", "number")]
        columns += [Column(name, "number") for name in ("Kept", "Set aside", "Share", "Silent, kept", "Failed")]
        body += table("Stems kept and set aside, by label", columns, rows, [""] * len(counts) + ["total"]) + _KEY
        said = findings.verdict(data)
        if said.counts.out != said.counts.removed:
            body += note(text(f"Set aside is what the decision does not keep. {said.counts_sentence}"))
    chosen = [quoting(data.summary[key]) for key in ("rule", "handling") if data.summary.get(key)]
    lead = f"Decision: {'; '.join(chosen)}." if chosen else ""
    return section("share", "How much was wrong?", body, lead)


_KEY = (
    '<p class="key"><span class="swatch keep"></span>kept <span class="swatch drop"></span>set aside'
    ' <span class="swatch silent"></span>silent <span class="swatch failed"></span>failed</p>'
)


def label_bar(label: str, counts: findings.Counts) -> str:
    parts = [("keep", "kept", counts.kept), ("drop", "set aside", counts.removed)]
    parts += [("silent", "silent", counts.silent), ("failed", "failed", counts.failed)]
    said = f"{label}: " + ", ".join(f"{amount} {name}" for _, name, amount in parts)
    return pictures.stacked(parts, said)


def _count_row(label: str, counts: findings.Counts) -> list[str]:
    share = percent(counts.removed / counts.total) if counts.total else anything(None)
    numbers = [count(counts.kept), count(counts.removed), share, count(counts.silent), count(counts.failed)]
    return [text(label), label_bar(label, counts), count(counts.total), *numbers]


def distributions(data: ReportData) -> str:
    """Histograms of suspicion, one for each label, on one common axis."""
    decided = data.decided
    audible = decided.audible
    if not audible.any():
        return ""
    bounds, clipped = _axis(decided.suspicion[audible])
    figures, cut = "", False
    for label in dict.fromkeys(decided.label[audible].tolist()):
        own = audible & (decided.label == label)
        kept, removed = (decided.suspicion[own & (decided.place == place)] for place in (KEPT, REMOVED))
        threshold = findings.threshold_of(data, label, kept, removed)
        cut = cut or threshold is not None
        picture = pictures.histogram(kept, removed, bounds, label, threshold)
        words = f"<b>{text(label)}</b> {count(len(kept))} kept, {count(len(removed))} set aside"
        figures += f"<figure><figcaption>{words}</figcaption>{picture}</figure>"
    lead = "Stems by suspicion: the further right, the more likely corrupt."
    lead += " The dashed line is the threshold." if cut else ""
    lead += " The outermost bars hold everything beyond the axis." if clipped else ""
    return section("distributions", "Suspicion by label", f'<div class="panels">{figures}</div>{_KEY_TWO}', lead)


_KEY_TWO = '<p class="key"><span class="swatch keep"></span>kept <span class="swatch drop"></span>set aside</p>'


def _axis(values: np.ndarray) -> tuple[pictures.Bounds, bool]:
    """The range shown: all values, or without the few that would squeeze the others into one bar."""
    ordered = np.sort(values)
    low, middle, high = (float(ordered[round(share * (len(ordered) - 1))]) for share in (0.05, 0.5, 0.95))
    reach = 2.0 * max(high - middle, middle - low)
    first, last = float(ordered[0]), float(ordered[-1])
    bounds = (max(first, middle - reach), min(last, middle + reach))
    if bounds[0] >= bounds[1]:
        bounds = (first - 0.5, last + 0.5)
    return bounds, first < bounds[0] or last > bounds[1]


def detection(data: ReportData) -> str:
    """How well suspicion found the faults, where a truth table says what they were."""
    if not data.detection:
        return ""
    curves, rows = data.detection.get("roc") or {}, data.detection.get("auroc") or []
    areas = {anything(row.get("name")): row.get("auroc") for row in rows}
    panels = ""
    for name, points in curves.items():
        area = areas.get(anything(name))
        said = f"ROC curve, {anything(name)}" + (f", area {decimal(area, 3)}" if known(area) else "")
        picture = pictures.roc(points, said, next(iter(curves.values())) if panels else ())
        caption = f"<b>{text(name)}</b>" + (f" {decimal(area, 3)}" if known(area) else "")
        panels += f"<figure><figcaption>{caption}</figcaption>{picture}</figure>"
    body = facts(
        (heading(key), figure(value))
        for key, value in flatten({k: v for k, v in data.detection.items() if k not in ("roc", "auroc")})
    )
    body += f'<div class="panels small">{panels}</div>' if panels else ""
    body += _areas(data, rows) if rows else ""
    first, *others = curves or [None]
    lead = "The true faults were read only here, after every decision was made."
    lead += " Upwards: corrupt stems found; to the right: clean stems wrongly suspected." if curves else ""
    lead += f" The faint curve is {text(first)}, for comparison." if others else ""
    return section("detection", "Were the faults found?", body, lead)


def _areas(data: ReportData, rows: Sequence[Row]) -> str:
    fixed = ("group", "name", "auroc", "low", "high")
    extra = keys_of(rows, set(fixed))
    floor = min((row[key] for row in rows for key in ("auroc", "low") if known(row.get(key))), default=0.5)
    bounds = (min(0.5, float(floor)), 1.0)
    columns = [Column("Positives"), Column("Group"), Column("AUROC", "number"), Column(_scale(bounds), "figure")]
    columns += [Column("Interval", "number"), *(Column(heading(name), "number") for name in extra)]
    cells = []
    for row in rows:
        area, low, high = (row.get(key) for key in ("auroc", "low", "high"))
        said = f"{anything(row.get('name'))}: AUROC {decimal(area, 3)}"
        picture = pictures.interval(area, low, high, bounds, said, 0.5 if bounds[0] < 0.5 else None)
        line = [text(row.get("name")), text(row.get("group")), decimal(area, 3), picture]
        line.append(span(low, high, lambda value: decimal(value, 3)))
        cells.append([*line, *(figure(row.get(name)) for name in extra)])
    return table(f"Area under the ROC curve, {findings.level_of(data)} intervals", columns, cells)


def _scale(bounds: pictures.Bounds) -> str:
    return f"{decimal(bounds[0])} … {decimal(bounds[1])}"
