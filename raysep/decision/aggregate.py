"""Segment rows to stem rows: a probe's mean over the audible segments and its worst one.

Scores are oriented higher = cleaner, so the worst segment is the lowest: a fault of a few seconds drowns in a mean.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence, Set

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raysep.decision.roles import CORPUS, Role
from raysep.outcome import Outcome

WORST = "_worst"
# What a row of the scoring pass, or a stem row, holds beside its probes.
NOT_PROBES = frozenset(
    {"track", "stem", "stem_id", "segment", "start", "seconds", "outcome", "error", "message", "level_dbfs"}
    | {"segments", "audible", "role", "kind", "group", "fold"}
)


def probe_names(table: pa.Table) -> tuple[str, ...]:
    """The probe columns of a table of segment or stem rows: every floating-point column that is not bookkeeping."""
    return tuple(f.name for f in table.schema if pa.types.is_floating(f.type) and f.name not in NOT_PROBES)


def per_stem(
    rows: pa.Table | Iterable[Mapping],
    probes: Sequence[str] | None = None,
    oriented: Collection[str] | None = None,
    likenesses: Sequence[str] = (),
) -> pa.Table:
    """One row per stem, in ``stem_id`` order.

    Args:
        rows: ``stem_id, track, stem, outcome`` ("scored", "silent" or "failed") and a number per probe, NaN or null where
            it has none; ``level_dbfs`` where there is one.
        probes: columns to aggregate; None = all.
        oriented: probes of which the worst segment has a meaning; None = all.
        likenesses: columns that are lists of a number for each label. Their mean is one of powers, ``10 lg mean 10^(x/10)``:
            what is loud in a few segments only, as a voice that was merged into a stem, must not drown in the others.

    Returns:
        ``stem_id, track, stem, outcome, segments, audible, level_dbfs, <probe>…, <probe>_worst…, <likeness>…``. A stem is failed when
        one of its rows is, scored when at least one segment was audible, else silent. A probe without a finite value is null.
    """
    table = rows if isinstance(rows, pa.Table) else pa.Table.from_pylist([dict(row) for row in rows])
    probes = probe_names(table) if probes is None else tuple(probes)
    names, stem = coded(table["stem_id"])
    first = np.zeros(len(names), dtype=np.int64)
    first[stem[::-1]] = np.arange(len(stem))[::-1]
    outcome = text_column(table, "outcome")
    scored, failed = outcome == Outcome.SCORED, outcome == Outcome.FAILED
    audible = np.bincount(stem[scored], minlength=len(names))
    any_failed = np.bincount(stem[failed], minlength=len(names)) > 0
    columns: dict[str, object] = {
        "stem_id": names.tolist(),
        "track": table["track"].take(first),
        "stem": table["stem"].take(first),
        "outcome": np.where(any_failed, Outcome.FAILED, np.where(audible > 0, Outcome.SCORED, Outcome.SILENT)).tolist(),
        "segments": np.bincount(stem[~failed], minlength=len(names)),
        "audible": audible,
    }
    if "level_dbfs" in table.column_names:
        columns["level_dbfs"] = _nullable(_mean(numbers(table, "level_dbfs"), stem, scored, len(names)))
    values = {name: numbers(table, name) for name in probes}
    usable = scored & ~any_failed[stem]
    for name, value in values.items():
        columns[name] = _nullable(_mean(value, stem, usable, len(names)))
    for name, value in values.items():
        if oriented is None or name in oriented:
            columns[name + WORST] = _nullable(_least(value, stem, usable, len(names)))
    for name in likenesses:
        columns[name] = _mean_power(table[name], stem, usable, len(names))
    return pa.table(columns)


def with_roles(
    stems: pa.Table,
    corpus: Collection[str],
    roles: Mapping[str, Role] | None = None,
    fold_of: Mapping[str, int] | None = None,
) -> pa.Table:
    """The stem rows that a decision needs, with ``role``, ``kind`` (planted ones), ``group`` (track of origin) and ``fold``.

    Args:
        corpus: the stem_ids to judge.
        roles: by stem_id, of calibration and planted stems. Rows that are in neither are dropped: an untouched stem of a
            planted copy is no corpus stem, and a second copy of a calibration stem no new evidence.
        fold_of: by track, of what a stem was scored with; None or empty = all with one thing.
    """
    corpus, roles = corpus if isinstance(corpus, Set) else set(corpus), roles or {}
    stem_ids, tracks = stems["stem_id"].to_pylist(), stems["track"].to_pylist()
    # A stem to judge is judged, whatever else it was used for.
    kept = np.fromiter(map(corpus.__contains__, stem_ids), bool, len(stem_ids))
    found: dict[str, list[str | None]] = {"role": [CORPUS] * len(kept), "kind": [None] * len(kept), "group": [*tracks]}
    for row in np.flatnonzero(~kept).tolist():
        if used := roles.get(stem_ids[row]):
            kept[row] = True
            for name, value in zip(found, used, strict=True):
                found[name][row] = value
    for name, values in found.items():
        stems = stems.append_column(name, pa.array(values, pa.string()))
    folds = [fold_of[track] if of_use else 0 for track, of_use in zip(tracks, kept, strict=True)] if fold_of else None
    stems = stems.append_column("fold", pa.array(folds or [0] * len(kept), pa.int64()))
    return stems if kept.all() else stems.filter(pa.array(kept))


def in_order(stems: pa.Table) -> pa.Table:
    """By stem_id; what is in that order is not copied, and else one column after another is."""
    ids = stems["stem_id"]
    if pc.all(pc.less_equal(ids[:-1], ids[1:])).as_py() in (True, None):
        return stems
    order = pc.sort_indices(ids)
    schema, columns = stems.schema, {name: stems[name] for name in stems.column_names}
    del stems, ids
    return pa.table({name: columns.pop(name).take(order) for name in schema.names}, schema=schema)


def numbers(table: pa.Table, name: str) -> np.ndarray:
    """A column as float64 ``(row,)``, null as NaN."""
    return table[name].cast(pa.float64()).to_numpy(zero_copy_only=False).astype(float)


def _mean(values: np.ndarray, stem: np.ndarray, used: np.ndarray, stems: int) -> np.ndarray:
    used = used & np.isfinite(values)
    count = np.bincount(stem[used], minlength=stems)
    total = np.bincount(stem[used], weights=values[used], minlength=stems)
    return np.divide(total, count, out=np.full(stems, np.nan), where=count > 0)


def _mean_power(lists: pa.ChunkedArray, stem: np.ndarray, used: np.ndarray, stems: int) -> pa.Array:
    """The lists' mean in the power of decibels by stem; null for a stem without one.

    They are of one length. The first of each stem is added to its second, then the third, as one after another would be.
    """
    if pa.types.is_null(lists.type):  # of silent segments alone
        return pa.nulls(stems, pa.list_(pa.float64()))
    there = lists.is_valid().to_numpy()
    flat = lists.drop_null().combine_chunks().flatten().cast(pa.float64()).to_numpy(zero_copy_only=False)
    scaled = (flat.reshape(int(there.sum()), -1) * (np.log(10.0) / 10.0))[used[there]] if len(flat) else flat[:, None]
    owner = stem[there & used] if len(flat) else stem[:0]
    order = np.argsort(owner, kind="stable")
    scaled, owner = scaled[order], owner[order]
    count = np.bincount(owner, minlength=stems)
    begin = np.cumsum(count) - count
    total = np.zeros((stems, scaled.shape[1]))
    known = count > 0
    total[known] = scaled[begin[known]]
    for turn in range(1, int(count.max(initial=0))):
        more = np.flatnonzero(count > turn)
        total[more] = np.logaddexp(total[more], scaled[begin[more] + turn])
    mean = (total[known] - np.log(count[known])[:, None]) * (10.0 / np.log(10.0))
    offsets = np.concatenate([[0], np.cumsum(known * scaled.shape[1])]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets, mask=np.append(~known, False)), pa.array(mean.ravel()))


def _least(values: np.ndarray, stem: np.ndarray, used: np.ndarray, stems: int) -> np.ndarray:
    used = used & np.isfinite(values)
    least = np.full(stems, np.inf)
    np.minimum.at(least, stem[used], values[used])
    return np.where(np.isfinite(least), least, np.nan)


def _nullable(values: np.ndarray) -> pa.Array:
    return pa.array(values, mask=~np.isfinite(values))


def text_column(table: pa.Table, name: str, default: str | None = None) -> np.ndarray:
    """A text column as objects, of which equal ones are one; ``default`` where it is missing or null."""
    if name not in table.column_names:
        return np.full(len(table), default, dtype=object)
    encoded = table[name].combine_chunks().dictionary_encode()
    encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    texts = np.array([*encoded.dictionary.to_pylist(), default], dtype=object)
    return texts[encoded.indices.fill_null(len(texts) - 1).to_numpy(zero_copy_only=False)]


def coded(texts: np.ndarray | pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """The different texts in their order, and the place of each row's among them ``(row,)``; none may be missing."""
    column = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else pa.array(texts, pa.string())
    encoded = column.dictionary_encode()
    names = np.array(encoded.dictionary.to_pylist(), dtype=object)
    order = np.argsort(names, kind="stable")
    place = np.empty(len(names), dtype=np.int64)
    place[order] = np.arange(len(names))
    return names[order], place[encoded.indices.to_numpy(zero_copy_only=False)]


def rows_named(stems: pa.Table, names: Collection[str]) -> np.ndarray:
    """Which row of ``stems`` each stem_id of ``names`` has ``(name,)``; -1 where it has none."""
    if not names:
        return np.zeros(0, dtype=np.int64)
    found = pc.index_in(pa.array(list(names), pa.string()), value_set=stems["stem_id"].combine_chunks())
    return found.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
