"""The evidence of a run's folder: which stems are shown, and of each what speaks against it, and its sounds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raysep.corpus import manifest, storage
from raysep.corpus.columns import columns_of_file
from raysep.corpus.lookup import texts
from raysep.corpus.manifest import Stem
from raysep.decision.aggregate import coded, numbers, text_column
from raysep.decision.handling.base import Decision
from raysep.decision.handling.fate import KEPT, REMOVED, fate, used_in
from raysep.decision.handling.reading import rows_of
from raysep.decision.order import SORT_KEYS
from raysep.decision.other_label import found_of
from raysep.decision.roles import CALIBRATION
from raysep.decision.worth import prices
from raysep.errors import AudioError
from raysep.outcome import Outcome
from raysep.probes.stored import columns_of, oriented_in
from raysep.report.data import Outline, Place, Row, Take
from raysep.report.decided import FAILED, PLACES, place
from raysep.report.evidence import takes
from raysep.report.evidence.choosing import Candidates, Chosen, choose
from raysep.report.evidence.kinds import Guess, guessed_kinds
from raysep.report.evidence.phrases import phrase_of
from raysep.report.evidence.separated import CONTEXT_SECONDS, Hearing
from raysep.report.evidence.spans import Scored, Span, worst_span
from raysep.report.evidence.standing import FACTS, Loud, standing
from raysep.report.numbers import known
from raysep.rundir import Run

OF_STEM = "stem"
AT_HAND = 1 << 14  # stems of which the scores are held at once, at least


class Kind(NamedTuple):
    """What is wrong with a stem."""

    name: str  # "" = nothing is known
    guess: Guess | None = None  # None: the decision found it out

    @property
    def words(self) -> str:
        if self.guess is None:
            return self.name
        return f"{self.name} (a guess; right for {self.guess.right} of {self.guess.of} planted stems)"


class Excerpt(NamedTuple):
    """What a page shows of a stem."""

    start: float  # seconds
    seconds: float
    marked: tuple[float, float]


class Evidence:
    """What a decided run says of its stems. Only tables are read until a sound is asked for."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.stems = manifest.kept(run.path("manifest.parquet"))
        self.table = run.read_table("decision.parquet")
        rows = rows_of(self.table)
        self.decision: Decision = rows
        self._columns = rows.columns
        self._scores = columns_of_file(run.path("stems.parquet"))
        columns = columns_of(self._scores)
        of_segments = [name for name, column in columns.items() if column.context != OF_STEM]
        removed = self._columns["stem_id"].filter(pc.invert(self._columns["keep"]))
        self.standing = standing(self._scores, oriented_in(self._scores), of_segments, removed)
        self.kinds = guessed_kinds(self._scores, oriented_in(self._scores))
        self.hearing = Hearing(run)
        self._names_in: dict[str, np.ndarray] = {}

    # What is known of each, from tables

    def loud(self, stem_id: str) -> list[Loud]:
        return self.standing.loudest(stem_id)

    def spoken(self, stem_id: str) -> list[str]:
        """What speaks against a stem in words: first what the decision found out about it, beside how its rule went."""
        row = self.decision[stem_id]
        known_of_it = "" if row.get("verdict") else (row.get("reason") or "").partition("; ")[2]
        return [*([known_of_it] if known_of_it else []), *(loud.words for loud in self.loud(stem_id))]

    def spoken_first(self, stem_id: str) -> str:
        """The first of these; "" where nothing speaks against it."""
        row = self.decision[stem_id]
        found_out = "" if row.get("verdict") else (row.get("reason") or "").partition("; ")[2]
        return found_out or next((loud.words for loud in self.standing.loudest(stem_id, count=1)), "")

    def kind(self, stem_id: str) -> Kind:
        """What is wrong with it: what the decision found out, else what planted kind it looks like.

        A kind is guessed of stems that probably are wrong, where such guesses were right often enough.
        """
        row = self.decision[stem_id]
        if row.get("label"):
            return Kind(found_of(row))
        guess = self.kinds.get(stem_id)
        wrong = not row["keep"] or (known(row["p_corrupt"]) and row["p_corrupt"] >= 0.5)
        return Kind(guess.kind, guess) if wrong and guess and guess.worth_saying else Kind("")

    def looks(self, stem_id: str) -> tuple[str, float]:
        """What it is chosen by, that many kinds be heard, and how surely: what was found, the kind it is most like, or what speaks loudest."""
        if found := found_of(self.decision[stem_id]):
            return found, 1.0
        if stem_id in self.kinds:
            return self.kinds[stem_id].kind, self.kinds[stem_id].sure
        loudest = self.standing.loudest(stem_id, 1, -np.inf)
        return phrase_of(loudest[0].probe).family if loudest else "", 1.0

    def ranked(self) -> Iterator[list[str]]:
        """Every stem, the most suspect first; many at a time, with what speaks against them at hand."""
        keys = pa.table({name: self._columns[name] for name, _ in SORT_KEYS})
        order = pc.sort_indices(keys, sort_keys=SORT_KEYS)
        for first in range(0, len(order), AT_HAND):
            some = self._columns["stem_id"].take(order[first : first + AT_HAND]).to_pylist()
            self.standing.prepare(some)
            yield some

    @property
    def labels(self) -> list[str]:
        return sorted(pc.unique(self._columns["stem"]).to_pylist())

    def chosen(self) -> list[Chosen]:
        scored = pc.equal(self._columns["outcome"], Outcome.SCORED)
        table = pa.table({n: self._columns[n].filter(scored) for n in ("stem_id", "stem", "suspicion", "keep")})
        kind, sure = self._looks(table["stem_id"].combine_chunks())
        suspicion, keep = (table[name].to_numpy() for name in ("suspicion", "keep"))
        label = coded(text_column(table, "stem"))[1]
        return choose(Candidates(table["stem_id"].combine_chunks(), label, kind, suspicion, keep, sure))

    def _looks(self, stem_ids: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """``looks`` of many: a number for what each is chosen by, and how surely ``(stem,)``."""
        place = pc.index_in(stem_ids, value_set=self.kinds.stem_ids.combine_chunks())
        place = place.fill_null(-1).to_numpy(zero_copy_only=False)
        names = [guess.kind for guess in self.kinds.kinds]
        guessed = place >= 0
        kind, sure = np.zeros(len(place), dtype=int), np.ones(len(place))
        kind[guessed], sure[guessed] = self.kinds.kind[place[guessed]], self.kinds.sure[place[guessed]]
        if not guessed.all():
            families = [phrase_of(probe).family for probe in self.standing.probes] + [""]
            row = pc.index_in(stem_ids, value_set=self.standing.stem_ids.combine_chunks()).fill_null(-1)
            loudest = np.append(self.standing.loudest_of_all(), -1)[row.to_numpy(zero_copy_only=False)]
            names += [family for family in families if family not in names]
            kind[~guessed] = np.array([names.index(family) for family in families])[loudest[~guessed]]
        for stem, stem_id in self._labelled(stem_ids):
            if found := found_of(self.decision[stem_id]):
                names += [found] if found not in names else []
                kind[stem], sure[stem] = names.index(found), 1.0
        return kind, sure

    def _labelled(self, stem_ids: pa.Array) -> Iterator[tuple[int, str]]:
        """Those of which the decision says another label, with their places."""
        if "label" not in self._columns:
            return
        named = self._columns["stem_id"].filter(pc.is_valid(self._columns["label"]))
        here = pc.is_in(stem_ids, value_set=named)
        yield from zip(
            np.flatnonzero(here.to_numpy(zero_copy_only=False)).tolist(), stem_ids.filter(here).to_pylist(), strict=True
        )

    @cached_property
    def _price(self) -> Mapping[str, str]:
        return prices(self.run)

    @cached_property
    def used(self) -> Mapping[str, str] | None:
        return used_in(self.run)

    def use(self, row: Mapping[str, Any]) -> str:
        """What the handling makes of a stem, where that is not what keep or not says."""
        words = fate(row, self.used)
        return "" if words in (KEPT, REMOVED) or place(row) == PLACES[FAILED] else words

    def row(self, stem_id: str, group: str = "") -> Row:
        """What is said of a stem, without its sounds."""
        row = self.decision[stem_id]
        keys = ("stem_id", "track", "stem", "suspicion", "p_corrupt", "reason", "keep", "outcome", "harm", "verdict")
        return {key: row.get(key) for key in keys} | {
            "group": group,
            "evidence": self.spoken(stem_id),
            "kind": self.kind(stem_id).words,
            "used": self.use(row),
            "price": self._price.get(stem_id, ""),
            "path": " + ".join(self.stems[stem_id].uris),
        }

    # Sounds

    def with_sounds(self, row: Row, served: str = "") -> Row:
        """The row with its takes: excerpts inside the page, or where ``served`` is an address, all of each below it."""
        stem = self.stems[row["stem_id"]]
        try:
            rate = takes.rate_of(stem)
            audio = takes.whole(stem, rate)
        except AudioError as error:
            return row | {"takes": [], "note": f"It cannot be read any more: {error}"}
        span = self.span(stem.stem_id, audio, rate)
        marked, seconds = (span.start, span.stop), audio.shape[1] / rate
        start, length = (0.0, seconds) if served else takes.around(marked, seconds)
        piece = audio[:, round(start * rate) : round((start + length) * rate)]
        heard = [takes.take("Stem", piece, rate, start, marked, "", served and f"{served}/stem")]
        where = None if served else Place(takes.outline(audio, rate), start, start + length)
        heard += self._mixture(stem, rate, start, None if served else length, marked, served)
        heard += self._separated(stem, *takes.around(marked, seconds), marked, served)
        heard += self._trusted(stem, rate, length, served)
        return row | {"takes": heard, "where": where, "worst": span.why}

    def excerpt_of(self, stem: Stem) -> Excerpt:
        """Raises ``AudioError``."""
        rate = takes.rate_of(stem)
        audio = takes.whole(stem, rate)
        span = self.span(stem.stem_id, audio, rate)
        marked = span.start, span.stop
        return Excerpt(*takes.around(marked, audio.shape[1] / rate), marked)

    def span(self, stem_id: str, audio: np.ndarray, sample_rate: int) -> Span:
        """The stem's worst seconds."""
        loud = [each.probe.removesuffix("_worst") for each in self.standing.loudest(stem_id, 8, 0.0)]
        first = loud[:1] if self.loud(stem_id) else []  # what the page says first of it
        facts = {name: name in first or self.standing.beyond_trusted(stem_id, name) for name in FACTS}
        return worst_span(audio, sample_rate, self._segments(stem_id), loud, facts)

    def mixture_of(self, stem: Stem) -> list[Stem]:
        """The stems of its track that a mixture is made of; one alone has none."""
        own = [other for other in self.stems.of_track(stem.track) if other.frames]
        return own if len(own) > 1 else []

    def trusted_like(self, stem: Stem) -> Stem | None:
        """The trusted stem of its label whose level is nearest, of those that were scored; the first of its label otherwise."""
        known = self._trusted_stems.get(stem.stem, [])
        levels = self._levels([stem.stem_id, *(other.stem_id for other in known)])
        level = levels.get(stem.stem_id, np.nan)
        near = [other for other in known if np.isfinite(levels.get(other.stem_id, np.nan))]
        if near and np.isfinite(level):
            return min(near, key=lambda other: (abs(levels[other.stem_id] - level), other.stem_id))
        return next(iter(near or known), None)

    def _mixture(
        self, stem: Stem, rate: int, start: float, length: float | None, marked: tuple[float, float], served: str
    ) -> list[Take]:
        own = self.mixture_of(stem)
        if not own:
            return []
        try:
            audio, unread = takes.mixed(own, start, length, rate)
        except AudioError:
            return []
        about = f"without {', '.join(unread)}, which cannot be read" if unread else "the sum of the track's stems"
        audio = takes.within_scale(audio)
        return [takes.take("Mixture", audio, rate, start, marked, about, served and f"{served}/mixture")]

    def _separated(
        self, stem: Stem, start: float, length: float, marked: tuple[float, float], served: str
    ) -> list[Take]:
        """What the run's network hears; where it is served only the place of it, since it takes a while."""
        if not self.mixture_of(stem):
            return []
        about = f"what the run's separator hears as {stem.stem} in the mixture"
        if served:
            later = Take("Separator", f"{served}/separator", start, Outline([], [], length), span=marked, about=about)
            return [later] if self.hearing.is_there else []
        found = self.separated(stem, start, length)
        return [] if found is None else [takes.take("Separator", *found, start, marked, about)]

    def separated(self, stem: Stem, start: float, length: float) -> tuple[np.ndarray, int] | None:
        """``(channel, time)`` and its rate, of so many seconds; None where the run has no network that hears it."""
        network = self.hearing.network
        if network is None:
            return None
        first = max(0.0, start - CONTEXT_SECONDS)
        seconds = start - first + length + CONTEXT_SECONDS
        try:
            mixture, _ = takes.mixed(self.mixture_of(stem), first, seconds, network.sample_rate)
        except AudioError:
            return None
        audio = self.hearing.estimate(mixture, stem.stem, start - first, length)
        return None if audio is None else (takes.within_scale(audio), network.sample_rate)

    def _trusted(self, stem: Stem, rate: int, length: float, served: str) -> list[Take]:
        other = self.trusted_like(stem)
        if other is None or not other.frames:
            return []
        seconds = other.frames / other.sample_rate
        try:
            if served:
                audio, start = takes.whole(other, rate), 0.0
            else:
                start, length = takes.around(self._loudest(other), seconds, length)
                audio = takes.excerpt(other, start, length, rate)
        except AudioError:
            return []
        about = f"{other.stem} of {other.track}, which is trusted"
        return [takes.take(f"Trusted {other.stem}", audio, rate, start, None, about, served and f"{served}/trusted")]

    def _loudest(self, stem: Stem) -> tuple[float, float]:
        """Where it is loudest, by its segments; else its middle."""
        scored = self._segments(stem.stem_id)
        if not len(scored.start):
            middle = stem.frames / stem.sample_rate / 2
            return middle, middle
        best = int(np.nan_to_num(scored.level, nan=-np.inf).argmax())
        return float(scored.start[best]), float(scored.start[best] + scored.seconds[best])

    def _levels(self, stem_ids: list[str]) -> dict[str, float]:
        """In dBFS, of those that have one."""
        if "level_dbfs" not in self._scores.column_names:
            return {}
        ids = self._scores["stem_id"]
        there = pc.is_in(ids, value_set=pa.array(stem_ids, pa.string()))
        levels = numbers(self._scores, "level_dbfs")[there.to_numpy()]
        return dict(zip(ids.filter(there).to_pylist(), levels.tolist(), strict=True))

    @cached_property
    def _trusted_stems(self) -> dict[str, list[Stem]]:
        """label → the trusted stems; those that calibrate, where there are some."""
        if not self.run.has("reference.parquet"):
            return {}
        known = "role" in self._scores.column_names
        calibrating = pc.equal(self._scores["role"], CALIBRATION) if known else []
        scored = set(self._scores["stem_id"].filter(calibrating).to_pylist()) if known else set()
        found: dict[str, list[Stem]] = {}
        for stem in sorted(manifest.read(self.run.path("reference.parquet"))):
            if stem.frames and (not scored or stem.stem_id in scored):
                found.setdefault(stem.stem, []).append(stem)
        return found

    # Segments

    def _segments(self, stem_id: str) -> Scored:
        """The audible segments of a stem, scores turned into z as its whole stem's are."""
        table = self._part_with(stem_id)
        rows = [] if table is None else [r for r in table.to_pylist() if r["outcome"] == Outcome.SCORED]
        row = self.standing.row_of.get(stem_id)
        names = tuple(name for name in self.standing.probes if rows and name in rows[0]) if row is not None else ()
        values = np.array([[_number(r[name]) for name in names] for r in rows]).reshape(len(rows), len(names))
        columns = [self.standing.probes.index(name) for name in names]
        # The same affine map as of the stem's own mean: what z it has at what score.
        z = self.standing.z_of(row, columns, values) if row is not None and rows and names else values
        start, seconds, level = (
            np.array([_number(r[key]) for r in rows]) for key in ("start", "seconds", "level_dbfs")
        )
        return Scored(start, seconds, level, z, names)

    def _part_with(self, stem_id: str) -> pa.Table | None:
        """What the scores say of a stem's segments, without what it is like; of each part its names are read once."""
        for part in self._parts():
            if not np.isin(hash(stem_id), self._names_in[part]):
                continue
            table = self.run.read_table("scores", part)
            keep = [n for n in table.column_names if not n.startswith("like-")]
            found = table.select(keep).filter(pc.equal(table["stem_id"], stem_id))
            if len(found):
                return found
        return None

    def _parts(self) -> Iterator[str]:
        """Those whose names are known already first, as a number for each name."""
        yield from list(self._names_in)
        for info in storage.list_files(self.run.path("scores"), recursive=False):
            if info.base_name not in self._names_in:
                names = pc.unique(columns_of_file(self.run.path("scores", info.base_name))["stem_id"])
                self._names_in[info.base_name] = np.fromiter(map(hash, texts(names)), np.int64, len(names))
                yield info.base_name


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)
