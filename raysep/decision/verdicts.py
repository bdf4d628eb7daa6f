"""From stem rows to a decision: suspicion, p-value, P(corrupt), keep, weight and the reason, a row per corpus stem.

    features ─ fuse ─ share ─ local fdr ─ rule ─ floor

No audio and no truth label is read. Without enough clean calibration, or with calibration that is not exchangeable,
there is a ranking and nothing more: P(corrupt) is null and no scored stem is removed, unless a fixed ratio was asked for.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from raysep.decision.aggregate import coded, in_order, rows_named, text_column
from raysep.decision.beyond_doubt import lifted
from raysep.decision.conformal import calibration_needed, p_values
from raysep.decision.fusion import FEWEST_STEMS, FEWEST_TRACKS, Fusion, can_fuse
from raysep.decision.harmful import expected_harm, harm_of_kinds
from raysep.decision.local_fdr import likelihood_ratio, monotone, posterior, posterior_without_planted
from raysep.decision.merged import beside_silent_ones
from raysep.decision.none_removed import why_floor_keeps_all, why_none_removed
from raysep.decision.other_label import Evidence, Found, other_labels
from raysep.decision.refit import learned, with_words, words_on
from raysep.decision.roles import PLANTED
from raysep.decision.rules import (
    FUSED,
    FalseDiscoveryRate,
    Judged,
    Ratio,
    Rule,
    Threshold,
    apply_rule,
    respect_floor,
)
from raysep.decision.share import Share, estimate_share
from raysep.decision.suspicion import by_one_probe, comparable, fused_suspicion
from raysep.errors import BadInput
from raysep.outcome import Outcome

LEAST_WEIGHT = 1e-3  # of a kept stem, so that a label kept by the floor can still be drawn from
FEWEST_PLANTED = 8
WORTH_SAYING = 0.3  # of the chance that a stem holds a silent one's sound
METADATA = b"raysep.decision"
SCHEMA = pa.schema(
    [
        ("stem_id", pa.string()),
        ("track", pa.string()),
        ("stem", pa.string()),
        ("outcome", pa.string()),  # scored | silent | failed
        ("suspicion", pa.float64()),  # higher = more suspect; comparable across labels when fused
        ("p_value", pa.float64()),  # conformal; null where not scored or not calibrated
        ("p_corrupt", pa.float64()),  # null = ranking only
        ("keep", pa.bool_()),
        ("weight", pa.float64()),  # sampling weight: 1 - P(corrupt); 0 for a failed stem
        ("harm", pa.float64()),  # of its fault, if it has one: 0…1 of the most harmful kind's; null = not known
        ("label", pa.string()),  # which a removed stem belongs to, where it is another one; else null
        ("reason", pa.string()),
        ("verdict", pa.string()),  # a person's word: keep, remove or a label; null = nothing was said
    ]
)


def verdicts(
    stems: pa.Table,
    rule: Rule = Threshold(),
    floor: float = 0.2,
    *,
    probes: Sequence[str] | None = None,
    oriented: Collection[str] | None = None,
    seed: int = 0,
    strict: bool = True,
    fusion: Fusion | None = None,
    evidence: Evidence | None = None,
    said: Mapping[str, str] | None = None,
) -> pa.Table:
    """Decide over the rows of ``stems`` whose role is "corpus".

    Args:
        stems: a row per stem (``aggregate.per_stem``, ``aggregate.with_roles``): ``stem_id, track, stem, outcome``, probe
            columns, and, optional: ``role`` ("corpus", "calibration", "planted"), ``kind`` of planted rows, ``group`` (track
            of origin), ``fold`` (see ``features.peers``). Without ``role`` every row is corpus.
        floor: share of each label's stems that is always left (and at least 4, where there are as many).
        probes: columns to fuse; None = all.
        oriented: probes whose score is higher = cleaner (the ranking without calibration, and the fusion's prior); None = all.
        evidence: the columns that say what a stem is like, for the label that a removed one belongs to; None = not known.
        said: stem_id → a person's word (keep, remove or a label), to be learnt from (``refit``); it is not obeyed here.
        strict: refuse to turn an estimate into removals when the calibration is not exchangeable.

    Returns:
        ``SCHEMA``, in ``stem_id`` order; ``summary(table)`` gives what was estimated on the way.

    Raises:
        BadInput: no corpus stem, or a ratio by a probe that the table does not have.
    """
    stems = in_order(stems)
    columns = {name: text_column(stems, name) for name in ("stem", "outcome")}
    role = text_column(stems, "role", "corpus")
    corpus = role == "corpus"
    if not corpus.any():
        raise BadInput("no corpus stem to decide on: no row of the stems table has the role 'corpus'")
    group = text_column(stems, "group", None)
    group = np.where(group == None, text_column(stems, "track"), group)  # noqa: E711 - elementwise
    _, group = coded(group)  # a number stands for a name, in the names' order
    scored = columns["outcome"] == Outcome.SCORED

    suspicion = np.full(len(role), np.nan)
    calibrated = can_fuse(role[scored], group[scored])
    harm = np.full(len(role), np.nan)
    words = words_on(stems, corpus & scored, said or {})
    one_probe = rule.probe if isinstance(rule, Ratio) and rule.probe != FUSED else None
    if scored.any():
        features, known = comparable(stems, role[scored], probes, oriented, scored)
        kind = text_column(stems, "kind", None)[scored]
        if one_probe:
            suspicion[scored] = by_one_probe(stems, role[scored], one_probe, scored)
        else:
            row_of = (role[scored], group[scored], kind)
            suspicion[scored] = fused_suspicion(features, known, *row_of, calibrated, seed, fusion, words[scored])
        harm[scored] = expected_harm(features, role[scored], kind, harm_of_kinds(kind[role[scored] == PLANTED]))
        del features  # as large as the table
    sets = {name: scored & (role == name) for name in ("calibration", "corpus", "planted")}
    found = other_labels(stems, evidence) if evidence else {}
    merged: dict[str, tuple[float, str]] = {}
    share, refusal = trusted_share(suspicion, sets, group, calibrated, strict, seed)
    known, ours, spoilt = (suspicion[rows] for rows in sets.values())
    share = with_words(share, known, ours, spoilt, words[sets["corpus"]])
    p_value, p_corrupt = (np.full(len(role), np.nan) for _ in range(2))
    if calibrated and sets["corpus"].any():
        p_value[sets["corpus"]] = p_values(suspicion[sets["calibration"]], suspicion[sets["corpus"]])
    if share is not None and refusal is None:
        calibration, ours, planted = (suspicion[rows] for rows in sets.values())
        p_corrupt[sets["corpus"]] = judged_posterior(calibration, ours, planted, share)
        silent = corpus & (columns["outcome"] == Outcome.SILENT)
        reference = role == "calibration"
        p_corrupt[silent] = silent_posterior(columns["stem"], columns["outcome"], corpus, reference, share.estimate)[
            silent
        ]
        merged = beside_silent_ones(stems, evidence, found, np.where(silent, p_corrupt, np.nan)) if evidence else {}
        if not one_probe:
            sure = sure_of(stems, found, merged)
            ours = sets["corpus"]
            suspicion[ours], p_corrupt[ours] = lifted(suspicion[ours], p_corrupt[ours], sure[ours])
            harm = np.maximum(harm, sure)  # a wrong label, which is what harms; what is not known stays so
    p_corrupt[columns["outcome"] == Outcome.FAILED] = 1.0

    judged = Judged(
        columns["stem"][corpus], columns["outcome"][corpus], suspicion[corpus], p_value[corpus], p_corrupt[corpus]
    )
    judged = Judged(judged.label, judged.outcome, _everywhere(judged), judged.p_value, judged.p_corrupt)
    clean_share = 1 - share.estimate if share else 1.0
    wanted, reasons = apply_rule(rule, judged, clean_share, refusal)
    keep = respect_floor(wanted, judged, floor, reasons)
    about = {name: stems[name].filter(pa.array(corpus)) for name in ("stem_id", "track", "stem", "outcome")}
    decided = pa.table(about)
    belongs = {row: other for row, other in _of_rows(decided, found) if not keep[row]}
    label = np.full(len(keep), None, dtype=object)
    for row, other in belongs.items():
        label[row] = other.label
        reasons[row] += f"; {other.words}"
    for row, (chance, words_of_it) in _of_rows(decided, merged):
        reasons[row] += f"; {words_of_it}" if chance > WORTH_SAYING else ""
    table = pa.table(
        {
            **about,
            "suspicion": judged.suspicion,
            "p_value": _nullable(judged.p_value),
            "p_corrupt": _nullable(judged.p_corrupt),
            "keep": keep,
            "weight": _weights(judged, keep),
            "harm": _nullable(harm[corpus]),
            "label": pa.array(label, pa.string()),
            "reason": pa.array(reasons, pa.string()),
            "verdict": pa.nulls(len(keep), pa.string()),
        },
        schema=SCHEMA,
    )
    scored = judged.outcome == Outcome.SCORED
    why = None
    if scored.any() and wanted[scored].all():
        against = (suspicion[sets[name]] for name in ("calibration", "planted"))
        why = why_none_removed(rule, judged.p_corrupt[scored], share, refusal, *against)
    elif scored.any() and keep[scored].all():
        why = why_floor_keeps_all(int((~wanted[scored]).sum()), floor)
    told = _summary(rule, floor, judged, keep, wanted, share, refusal, {n: int(m.sum()) for n, m in sets.items()})
    told["counts"]["other_label"] = len(belongs)
    first = f"{decided['stem_id'][min(belongs)].as_py()} like {belongs[min(belongs)].label}" if belongs else None
    told |= {"none_removed": why and why.words, "none_removed_by": why and why.by, "first_other_label": first}
    if said is not None:
        told["learned"] = learned(words, calibrated and not one_probe)
    told["evidence_removed"] = _evidence_removed(stems, suspicion, corpus, np.array(wanted), columns)
    return table.replace_schema_metadata({METADATA: json.dumps(told).encode()})


def sure_of(stems: pa.Table, found: Mapping[str, Found], merged: Mapping[str, tuple[float, str]]) -> np.ndarray:
    """What P(corrupt) of each stem is at least, by what its label and its track say ``(row,)``; 0 where they say nothing."""
    sure = np.zeros(len(stems))
    for row, other in _of_rows(stems, found):
        sure[row] = other.sure
    for row, (chance, _) in _of_rows(stems, merged):
        sure[row] = max(sure[row], chance)
    return sure


T = TypeVar("T")


def _of_rows(stems: pa.Table, about: Mapping[str, T]) -> list[tuple[int, T]]:
    """(row of ``stems``, what is known of it), of those stems that are there."""
    rows = rows_named(stems, about)
    return [(row, told) for row, told in zip(rows.tolist(), about.values(), strict=True) if row >= 0]


def _evidence_removed(
    stems: pa.Table, suspicion: np.ndarray, corpus: np.ndarray, wanted: np.ndarray, columns: Mapping[str, np.ndarray]
) -> list[str]:
    """The calibration and planted stems that the rule would remove: as suspect as the least suspect removed of their label.

    Before the floor, as a label's floor is of the corpus. A row's suspicion is of a model that was not fitted on its track.
    """
    removed = np.zeros(len(corpus), dtype=bool)
    removed[np.flatnonzero(corpus)[~wanted]] = True
    scored = columns["outcome"] == Outcome.SCORED
    evidence = scored & ~corpus
    for label in coded(columns["stem"])[0]:
        own = columns["stem"] == label
        against = suspicion[removed & scored & own]
        limit = against.min() if len(against) else np.inf
        evidence &= ~own | (suspicion >= limit)
    return sorted(stems["stem_id"].filter(pa.array(evidence)).to_pylist())


def summary(decision: pa.Table) -> dict:
    """What ``decide`` estimated and counted, kept in the table's metadata (Parquet carries it too).

    Keys: ``rule, floor, estimated_share`` (None = ranking only), ``estimated_share_interval, share`` (all estimators, or
    None), ``warning, counts`` (stems, kept, removed, scored, silent, failed, kept_by_floor, and other_label: removed ones that
    belong to another label), ``first_other_label`` in words, ``removed_share, evidence`` (scored stems per role),
    ``none_removed`` and ``none_removed_by`` (why no scored stem is removed, in words and by name; None where one is),
    ``evidence_removed`` (calibration and planted stems that the rule would remove), ``verdicts`` (``by_hand.obey``; only where
    some were given), ``learned`` (``refit.learned``; only where it was to be).
    """
    metadata = decision.schema.metadata or {}
    if METADATA not in metadata:
        raise BadInput("not a decision table: it carries no summary")
    return json.loads(metadata[METADATA])


def notes(found: Mapping[str, Any]) -> list[str]:
    """What a person should know of a decision, from its summary; a warning that the first says already is not said twice."""
    why, warning = found.get("none_removed"), found.get("warning")
    return [text for text in (why, None if why and warning and warning in why else warning) if text]


def silent_posterior(
    label: np.ndarray, outcome: np.ndarray, corpus: np.ndarray, reference: np.ndarray, share: float
) -> np.ndarray:
    """P(corrupt | silent) ``(row,)``: how much more often a label is silent in the corpus than in the reference.

    ``1 - (1 - π) P(silent | clean) / P(silent)``; both rates Laplace-smoothed over all labels, then drawn towards that
    within each label, with the weight of four stems.
    """

    names, place = coded(label)

    def rates(rows: np.ndarray) -> dict[str, float]:
        silent = outcome == Outcome.SILENT
        overall = ((silent & rows).sum() + 1) / (rows.sum() + 2)
        return {
            name: ((silent & rows & (label == name)).sum() + 4 * overall) / ((rows & (label == name)).sum() + 4)
            for name in names
        }

    clean, found = rates(reference & (outcome != Outcome.FAILED)), rates(corpus & (outcome != Outcome.FAILED))
    return np.array([np.clip(1 - (1 - share) * clean[name] / found[name], 0.0, 1.0) for name in names])[place]


def trusted_share(
    suspicion: np.ndarray,
    sets: Mapping[str, np.ndarray],
    group: np.ndarray,
    calibrated: bool,
    strict: bool,
    seed: int,
) -> tuple[Share | None, str | None]:
    """The estimated share, and why it must not be acted on (None = it may)."""
    if not calibrated:
        count, tracks = int(sets["calibration"].sum()), len(np.unique(group[sets["calibration"]]))
        return None, (
            f"{count} scored calibration stems of {tracks} tracks; a share needs at least {FEWEST_STEMS} of "
            f"{FEWEST_TRACKS} tracks: give more reference tracks"
        )
    if not sets["corpus"].any():
        return None, "no corpus stem has an audible segment"
    planted = sets["planted"] if sets["planted"].sum() >= FEWEST_PLANTED else np.zeros(len(group), dtype=bool)
    share = estimate_share(
        suspicion[sets["calibration"]],
        suspicion[sets["corpus"]],
        suspicion[planted],
        calibration_groups=group[sets["calibration"]],
        judged_groups=group[sets["corpus"]],
        planted_groups=group[planted],
        seed=seed,
    )
    return share, share.warning if strict else None


def judged_posterior(calibration: np.ndarray, judged: np.ndarray, planted: np.ndarray, share: Share) -> np.ndarray:
    """P(corrupt) of the judged stems; without planted ones from the lower end of the share, which is then a rough guess."""
    if share.injection is None:
        return posterior_without_planted(calibration, judged, share.low)
    return monotone(judged, posterior(likelihood_ratio(calibration, planted, judged, share.strong), share.estimate))


def _everywhere(judged: Judged) -> np.ndarray:
    """Suspicion without gaps: failed stems above all, silent ones where their P(corrupt), or their label's median, lies."""
    suspicion = judged.suspicion.copy()
    scored = np.flatnonzero(judged.outcome == Outcome.SCORED)
    order = scored[np.argsort(suspicion[scored], kind="stable")]
    top = float(suspicion[order[-1]]) if len(order) else 0.0
    silent = judged.outcome == Outcome.SILENT
    for label in coded(judged.label)[0]:
        peers = suspicion[scored][judged.label[scored] == label]
        suspicion[silent & (judged.label == label)] = float(np.median(peers)) if len(peers) else 0.0
    known = silent & np.isfinite(judged.p_corrupt)
    if len(order):
        place = np.searchsorted(judged.p_corrupt[order], judged.p_corrupt[known], side="left")
        suspicion[known] = suspicion[order[np.minimum(place, len(order) - 1)]]
    suspicion[judged.outcome == Outcome.FAILED] = top + 1
    return suspicion


def _weights(judged: Judged, keep: np.ndarray) -> np.ndarray:
    weight = np.where(np.isfinite(judged.p_corrupt), 1 - judged.p_corrupt, keep.astype(float))
    weight = np.where(keep, np.maximum(weight, LEAST_WEIGHT), weight)
    return np.where(judged.outcome == Outcome.FAILED, 0.0, weight)


def _summary(
    rule: Rule,
    floor: float,
    judged: Judged,
    keep: np.ndarray,
    wanted: np.ndarray,
    share: Share | None,
    refusal: str | None,
    evidence: dict[str, int],
) -> dict:
    outcomes = Counter(judged.outcome.tolist())
    warning = refusal or (share.warning if share else None)
    if refusal is None and share is not None and isinstance(rule, FalseDiscoveryRate) and share.estimate > 0:
        needed = calibration_needed(rule.level / max(1 - share.estimate, 1e-9), share.estimate)
        if evidence["calibration"] < needed:
            warning = f"a false discovery rate of {rule.level:g} needs about {needed} calibration stems to remove any"
    trusted = share if refusal is None else None
    return {
        "rule": {"name": type(rule).__name__, **asdict(rule)},
        "floor": floor,
        "estimated_share": trusted.estimate if trusted else None,
        "estimated_share_interval": [trusted.low, trusted.high] if trusted else None,
        "share": share.to_dict() if share else None,
        "warning": warning,
        "counts": {
            "stems": len(keep),
            "kept": int(keep.sum()),
            "removed": int((~keep).sum()),
            **{name: outcomes[name] for name in (Outcome.SCORED, Outcome.SILENT, Outcome.FAILED)},
            "kept_by_floor": int((keep & ~wanted).sum()),
        },
        "removed_share": float((~keep).mean()),
        "evidence": evidence,
    }


def _nullable(values: np.ndarray) -> pa.Array:
    return pa.array(values, mask=~np.isfinite(values))
