"""What every setting may be: its range, and what it must leave room for in the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raysep.errors import BadInput

if TYPE_CHECKING:
    from raysep.config import Config

UNLEARNING = ("joint", "adam", "per-track", "plain", "noisy", "none")
CONTEXTS = ("own", "clean", "both")


def check(config: Config) -> None:
    """Raise ``BadInput`` for the first setting that is out of its range; the message names it, its value and what is allowed."""
    n, t, s, p, d = config.network, config.training, config.scoring, config.planting, config.decision
    piece = t.batch // max(1, t.workers * t.accumulate)  # what goes through a worker's network at once, at least
    rates = config.sample_rate == 0 or config.sample_rate >= 1000
    rules = [
        ("labels", config.labels, len(set(config.labels)) == len(config.labels) >= 2, "two or more different labels"),
        ("sample_rate", config.sample_rate, rates, "0 (the corpus's own) or 1000 Hz and more"),
        ("seed", config.seed, config.seed >= 0, "0 or more"),
        ("network.hidden", n.hidden, n.hidden >= 1, "1 or more"),
        ("network.layers", n.layers, n.layers >= 1, "1 or more"),
        ("network.window_seconds", n.window_seconds, n.window_seconds > 0, "above 0"),
        ("network.overlap", n.overlap, n.overlap >= 2, "2 or more"),
        ("network.max_hz", n.max_hz, n.max_hz > 0, "above 0"),
        ("training.steps", t.steps, t.steps >= 1, "1 or more"),
        ("training.batch", t.batch, t.batch >= t.workers, "at least one example per training worker"),
        ("training.workers", t.workers, t.workers >= 1, "1 or more"),
        (
            "training.truncate_share",
            t.truncate_share,
            t.truncate != "stem" or t.truncate_share * piece >= 1,
            f"at least {1 / max(1, piece):.3g} with training.truncate = stem, or no example is ever left out: a worker takes {piece} at once",
        ),
        ("training.threads", t.threads, t.threads >= 1, "1 or more"),
        ("training.memory_gib", t.memory_gib, t.memory_gib > 0, "above 0"),
        ("training.save_every", t.save_every, t.save_every >= 1, "1 or more"),
        ("training.warmup", t.warmup, t.warmup is None or t.warmup >= 0, "0 or more"),
        ("training.least_workers", t.least_workers, 0 <= t.least_workers <= t.workers, "from 0 to training.workers"),
        ("training.early", t.early, 0 < t.early < 1, "between 0 and 1"),
        ("training.reference_steps", t.reference_steps, 0 < t.reference_steps <= 1, "above 0, at most 1"),
        ("training.segment_seconds", t.segment_seconds, t.segment_seconds > 0, "above 0"),
        ("scoring.segment_seconds", s.segment_seconds, s.segment_seconds > 0, "above 0"),
        ("scoring.most_segments", s.most_segments, s.most_segments >= 1, "1 or more"),
        ("scoring.first_segments", s.first_segments, s.first_segments >= 0, "0 (no first look) or more"),
        ("scoring.budget", s.budget, 0 <= s.budget <= 1, "from 0 to 1"),
        ("scoring.shards", s.shards, s.shards >= 1, "1 or more"),
        ("scoring.batch", s.batch, s.batch >= 1, "1 or more"),
        ("scoring.bank_segments", s.bank_segments, s.bank_segments >= 1, "1 or more"),
        ("scoring.fisher_segments", s.fisher_segments, s.fisher_segments >= 1, "1 or more"),
        ("scoring.fisher_shards", s.fisher_shards, s.fisher_shards >= 1, "1 or more"),
        ("scoring.unlearning_steps", s.unlearning_steps, s.unlearning_steps >= 1, "1 or more"),
        ("scoring.direction", s.direction, s.direction in ("adam", "fisher"), "adam or fisher"),
        ("scoring.unlearning", s.unlearning, s.unlearning in UNLEARNING, f"one of {', '.join(UNLEARNING)}"),
        ("scoring.unlearning_context", s.unlearning_context, s.unlearning_context in CONTEXTS, ", ".join(CONTEXTS)),
        (
            "scoring.unlearning_context",
            s.unlearning_context,
            s.unlearning != "per-track" or s.unlearning_context == "own",
            "own with scoring.unlearning = per-track: clean would cost a pass for each reference track and stem",
        ),
        ("scoring.alpha", s.alpha, s.alpha is None or s.alpha > 0, "above 0, or null to have it chosen"),
        ("scoring.damping", s.damping, s.damping > 0, "above 0"),
        ("scoring.rho", s.rho, 0 < s.rho < 0.1, "above 0, below 0.1"),
        ("planting.unlearning", p.unlearning, 0 < p.unlearning < 1, "between 0 and 1"),
        ("planting.calibration", p.calibration, 0 < p.calibration < 1 - p.unlearning, "leaving a part to plant"),
        ("planting.kinds", p.kinds, _are_kinds(p.kinds), "kinds of fault that `raysep contaminate --help` names"),
        ("planting.copies", p.copies, p.copies >= 1, "1 or more"),
        (
            "planting.least_tracks",
            p.least_tracks,
            p.least_tracks >= 5,
            "5 or more: three tracks to calibrate, one for each other part",
        ),
        ("decision.rule", d.rule, d.rule in ("threshold", "fdr", "ratio"), "threshold, fdr or ratio"),
        ("decision.threshold", d.threshold, 0 < d.threshold < 1, "between 0 and 1"),
        ("decision.fdr", d.fdr, 0 < d.fdr < 1, "between 0 and 1"),
        ("decision.ratio", d.ratio, 0 <= d.ratio < 1, "from 0 to below 1"),
        ("decision.floor", d.floor, 0 <= d.floor <= 1, "from 0 to 1"),
        ("search.ratios", config.search.ratios, all(0 <= r < 1 for r in config.search.ratios), "from 0 to below 1"),
        ("search.ratios", config.search.ratios, len(config.search.ratios) >= 1, "one or more ratios"),
        ("search.learning_rate", config.search.learning_rate, config.search.learning_rate > 0, "above 0"),
        ("search.steps", config.search.steps, config.search.steps >= 1, "1 or more"),
        ("search.rungs", config.search.rungs, config.search.rungs >= 1, "1 or more"),
        ("proof.arms", config.proof.arms, len(config.proof.arms) >= 1, "one or more arms"),
        ("proof.seeds", config.proof.seeds, _are_seeds(config.proof.seeds), "one or more different seeds from 0"),
    ]
    for name, value, holds, allowed in rules:
        if not holds:
            raise BadInput(f"{name} = {value!r}: must be {allowed}")


def _are_seeds(seeds: tuple[int, ...]) -> bool:
    return len(set(seeds)) == len(seeds) >= 1 and min(seeds) >= 0


def _are_kinds(kinds: tuple[str, ...]) -> bool:
    if not kinds:
        return True
    from raysep.corpus.faults import KINDS

    return set(kinds) <= set(KINDS)
