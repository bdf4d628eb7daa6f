"""Every stem of the corpus as the page's table has it: columns of short values, so that tens of thousands open at once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from raysep import own_verdicts
from raysep.corpus import storage
from raysep.corpus.names import normal
from raysep.decision.handling.fate import in_short
from raysep.report.data import Listing
from raysep.report.decided import PLACES, WORDS, place
from raysep.report.evidence.of_run import Evidence
from raysep.report.numbers import known

if TYPE_CHECKING:
    from raysep.decision.by_hand import Said

TEXT_BYTES = 5 << 20  # of all rows; beyond it the least suspect ones are left out
TRACK = "*"  # stands for the track's name at the beginning of a file's


def listing(evidence: Evidence, text_bytes: int = TEXT_BYTES, said: Sequence[Said] | None = None) -> Listing:
    """The most suspect first. ``said``: a person's verdicts that are in the decision, with which the page begins; None: the run's."""
    shared = storage.folder_above(evidence.stems.uris())
    root = f"{shared}/" if shared else ""
    tracks, labels, kinds, fates = _Numbered(), _Numbered(), _Numbered(), _Numbered()
    kinds.of("")
    for label in evidence.labels:
        labels.of(label)
    columns: dict[str, list[Any]] = {
        name: [] for name in ("track", "label", "suspicion", "p", "place", "fate", "kind", "evidence", "file")
    }
    room, left_out = text_bytes, 0
    for number, stem_id in enumerate(chain.from_iterable(evidence.ranked())):
        row, spoken = evidence.decision[stem_id], evidence.spoken_first(stem_id)
        where = place(row)
        file = _short(evidence.stems.uri(stem_id).removeprefix(root), row["track"])
        room -= 40 + len(spoken.encode()) + len(file.encode())
        if room < 0:
            left_out = len(evidence.decision) - number
            break
        values = (
            tracks.of(row["track"]),
            labels.of(row["stem"]),
            _rounded(row["suspicion"], 4),
            _rounded(row["p_corrupt"], 4),
            PLACES.index(where),
            fates.of(in_short(evidence.use(row)) or WORDS[where]),
            kinds.of(evidence.kind(stem_id).name),
            spoken,
            file,
        )
        for column, value in zip(columns.values(), values, strict=True):
            column.append(value)
    run = evidence.run
    words = _words(evidence, own_verdicts.kept_in(run) if said is None else said)
    # Another decision is another page: what a browser keeps of the run's own must not stand in for these words.
    key = f"{run.read_json('run.json')['fingerprint']}{_key_of(words)}"
    names = (tracks.names, labels.names, kinds.names, fates.names)
    return Listing(columns, *names, root, run.root, key, left_out, words)


def _words(evidence: Evidence, said: Sequence[Said]) -> tuple[tuple[str, str, str], ...]:
    """Each as the page names its stem; what names none is left out."""
    from raysep.decision.by_hand import spelt_as_in

    spelt = spelt_as_in(evidence.decision, said) if said else []
    rows = ((evidence.decision.get(normal(each.stem_id)), each) for each in spelt)
    return tuple((f"{row['track']}/{row['stem']}", each.verdict, each.note) for row, each in rows if row)


def _key_of(words: Sequence[tuple[str, str, str]]) -> str:
    return f" {storage.digest(repr(words).encode())[:16]}" if words else ""


class _Numbered:
    """Each text once, and its number."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._number: dict[str, int] = {}

    def of(self, name: str) -> int:
        if name not in self._number:
            self._number[name] = len(self.names)
            self.names.append(name)
        return self._number[name]


def _rounded(value: Any, digits: int) -> float | None:
    return round(float(value), digits) if known(value) else None


def _short(uri: str, track: str) -> str:
    return TRACK + uri.removeprefix(track) if uri.startswith(f"{track}/") else uri
