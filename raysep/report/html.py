"""The report: one HTML file that needs nothing but itself. Its first screen answers three questions.

Did cleaning help, how much was wrong, which stems? The sections below repeat the three with their evidence, then say
what the run cost and how to make it again. Style, script, pictures and sound are all inside the file; its content policy
names the style and the script by their hashes and forbids the rest.
"""

from __future__ import annotations

import base64
import hashlib
from importlib import resources

from raysep.report import findings, listening, pictures, record, reviewed, sections, tuning
from raysep.report.data import ReportData
from raysep.report.markup import quoting, stem_name, text
from raysep.report.next_steps import next_step
from raysep.report.numbers import count, decibels, known, percent, probability, span
from raysep.report.verdict import HELPED, HURT, UNCLEAR, UNMEASURED

__all__ = ["ReportData", "render"]

POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; style-src {style}; script-src {script}; img-src data:; media-src {media}"
NOTHING_MEASURED = {  # whether there is a test set → why there is no effect
    False: "No test set was given.",
    True: "Nothing was retrained and tested yet: the same <code>raysep clean</code> goes on to it.",
}
SECTIONS = (
    ("review", "Your verdicts", reviewed.changed),
    ("effect", "Effect", sections.results),
    ("share", "How much", sections.amount),
    ("suspects", "Which stems", listening.suspects),
    ("distributions", "Suspicion", sections.distributions),
    ("detection", "Detection", sections.detection),
    ("search", "Search", tuning.tuning),
    ("failures", "Failures", record.failures),
    ("costs", "Cost", record.costs),
    ("provenance", "Provenance", record.provenance),
)


def render(data: ReportData) -> str:
    """The whole report as the text of one HTML file, the same for the same data. Never raises for a missing part."""
    parts = [(name, short, build(data)) for name, short, build in SECTIONS]
    parts = [part for part in parts if part[2]]
    links = "".join(f'<a href="#{name}">{short}</a>' for name, short, _ in parts)
    first, *others = [*reviewed.sentences(data.review), *findings.sentences(data)]
    besides = f'<p class="besides">{text(" ".join(others))}</p>' if others else ""
    besides += _next(data)
    style, script = _inside("style.css"), _inside("page.js") if listening.is_live(data) else ""
    present = {name for name, _, _ in parts}
    answers = _effect(data, present) + _amount(data, present) + _which(data, present)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="color-scheme" content="light dark">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy(style, script, data.served)}">'
        f'<title>{text(data.title)}</title><meta name="description" content="{text(findings.verdict_of(data))}">'
        f"<style>{style}</style>{f'<script>{script}</script>' if script else ''}</head>\n<body>"
        f'<a class="skip" href="#answers">Skip to the answers</a>'
        f'<header><p class="kicker">raysep report</p><h1>{text(data.title)}</h1>'
        f'<p class="verdict">{text(first)}</p>{besides}</header>\n<main>'
        f'<div class="answers" id="answers">{answers}</div>'
        f'<nav aria-label="Sections">{links}</nav>\n' + "\n".join(body for _, _, body in parts) + "\n</main>"
        f"<footer><p>{_footer(data)}</p></footer></body></html>\n"
    )


def _next(data: ReportData) -> str:
    """What to do with it; the page of a review says that where it says what the verdicts changed."""
    run = (data.listing.run if data.listing else "") or "RUN"
    step = "" if data.review else next_step(findings.verdict(data), run)
    return f'<p class="besides">{quoting(step)}</p>' if step else ""


def _inside(name: str) -> str:
    """A file of this package, to stand in the page."""
    return resources.files("raysep.report").joinpath(name).read_text(encoding="utf-8")


def policy(style: str, script: str, served: bool) -> str:
    """What a browser may do with the page: just this style and this script (Content Security Policy Level 3, W3C).

    A page that is served may ask its own server for sounds and for what is known of a stem; a file may ask nobody.
    """
    told = POLICY.format(style=_hashed(style), script=_hashed(script), media="'self'" if served else "data:")
    return f"{told}; connect-src 'self'" if served else told


def _hashed(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'" if text else "'none'"


def _answer(question: str, value: str, body: str, target: str, link: str, kind: str = "") -> str:
    link = f'<a class="more" href="#{target}">{link}</a>' if link else ""
    value = f'<p class="big {kind}">{value}</p>' if value else ""
    return f'<article class="answer"><h2>{question}</h2>{value}{body}{link}</article>'


def _effect(data: ReportData, present: set[str]) -> str:
    """Did cleaning help? The gain with its interval against zero."""
    said = findings.verdict(data)
    gain = said.gain
    link = "All arms" if "effect" in present else ""
    if said.effect == UNMEASURED:
        why = NOTHING_MEASURED[bool(data.run.get("test"))]
        why = "The results do not hold both arms to compare." if data.results else why
        why = "Nothing was trained yet on the decision with your verdicts in it." if data.review else why
        return _answer("Did cleaning help?", "Not measured", f"<p>{why}</p>", "effect", link, "quiet")
    words = {HELPED: "Yes", HURT: "No, it hurt", UNCLEAR: "Not clear"}[said.effect]
    body = ""
    if known(gain.low) and known(gain.high):
        bounds = pictures.bounds_of([gain.db, gain.low, gain.high, 0.0])
        told = f"gain {decibels(gain.db, signed=True)}, {span(gain.low, gain.high)} dB; the line is zero"
        kind = {HELPED: "keep", HURT: "drop", UNCLEAR: "plain"}[said.effect]
        body += pictures.interval(gain.db, gain.low, gain.high, bounds, told, 0.0, kind)
    body += f"<p>SDR, {said.interval_of(gain)}{'; upright line: no change' if body else ''}</p>"
    body += f'<p class="caution">With {gain.few}: a verdict needs three seeds.</p>' if gain.few else ""
    if said.reference_sentence:
        body += f'<p class="caution">{text(said.reference_sentence)}</p>'
    if gain.arm or gain.over:
        body += f"<p><b>{text(gain.arm)}</b> against <b>{text(gain.over)}</b></p>"
    if known(gain.closed):
        body += f"<p>{percent(gain.closed, 0)} of the gap to clean training closed"
        if known(gain.closed_low) or known(gain.closed_high):
            body += f" ({span(gain.closed_low, gain.closed_high, lambda value: percent(value, 0))})"
        else:
            body += ", though that gap itself cannot be told from none"
        body += "</p>"
    value = f"<span>{words}</span> {decibels(gain.db, signed=True)}"
    return _answer("Did cleaning help?", value, body, "effect", link, said.effect)


def _amount(data: ReportData, present: set[str]) -> str:
    """How much was wrong? The estimated share, where it is known, beside what was removed."""
    said = findings.verdict(data)
    share = said.share
    link = "Estimate and counts" if "share" in present else ""
    aside = f"<p>{text(said.counts_sentence)}</p>" if said.counts.stems else ""
    aside += f'<p class="caution">{text(said.none_sentence)}</p>' if said.none_sentence else ""
    if not share.known:
        why = f"<p>{text(share.why_not[:1].upper() + share.why_not[1:])}.</p>"
        return _answer("How much was wrong?", "Not known", why + aside, "share", link, "quiet")
    body = pictures.interval(
        share.estimate, share.low, share.high, (0.0, 1.0), f"{percent(share.estimate)} of 100 %", kind="drop"
    )
    body += f"<p>of the stems, {said.level_words} interval {span(share.low, share.high, percent)}</p>"
    return _answer("How much was wrong?", percent(share.estimate), body + aside, "share", link)


def _which(data: ReportData, present: set[str]) -> str:
    """Which stems? The labels they come from and the three worst."""
    counts = findings.counts_by_label(data.decided)
    rows = "".join(
        f'<li><span class="name">{text(label)}</span>{sections.label_bar(label, one)}'
        f'<span class="tally">{count(one.removed)}/{count(one.total)}</span></li>'
        for label, one in list(counts.items())[:6]
    )
    body = '<p class="pair"><span>Stems of each label</span><span>set aside</span></p>' if rows else ""
    body += f'<ul class="labels" aria-label="Stems set aside, by label">{rows}</ul>' if rows else ""
    if len(counts) > 6:
        body += f"<p>and {count(len(counts) - 6)} more labels</p>"
    worst = findings.most_suspect(data, 3)
    names = "".join(f"<li>{stem_name(row)} {_chance(row)}</li>" for row in worst)
    chances = "<span>P(corrupt)</span>" if 'class="chance"' in names else ""
    body += f'<p class="pair rule"><span>Most suspect</span>{chances}</p>' if names else ""
    body += f'<ol class="worst" aria-label="The most suspect stems">{names}</ol>' if names else ""
    link = "Listen and see why" if any(row.get("takes") for row in data.suspects) else "The most suspect stems"
    if not body:
        return _answer("Which stems?", "None judged", "<p>The decision holds no stem.</p>", "", "", "quiet")
    return _answer("Which stems?", "", body, "suspects", link if "suspects" in present else "")


def _chance(row: dict) -> str:
    chance = row.get("p_corrupt")
    return f'<span class="chance">{probability(chance)}</span>' if known(chance) else ""


def _footer(data: ReportData) -> str:
    shown = [data.run[key] for key in ("run_id", "created", "version") if data.run.get(key)]
    return " · ".join(["Made by raysep", *(text(value) for value in shown)])
