"""How the stems of a corpus are used in training, as a decision says."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from raysep.corpus import storage
from raysep.corpus.manifest import Stem
from raysep.errors import BadInput
from raysep.training.pieces import Spans


@dataclass(frozen=True)
class Use:
    """How the stems of a corpus are used, by stem_id: sampling weight (0 = left out) and stretches left out."""

    weights: dict[str, float]
    spans: dict[str, Spans] = field(default_factory=dict)


def read_decision(stems: list[Stem], uri: str | None) -> Use:
    """What a decision table says: ``keep``, ``weight`` and, if it has it, ``spans``. Without a table, all with weight 1.

    ``spans`` is a list of ``{start, stop}`` in seconds, audio that is not to be used; empty and missing mean none.
    Raises ``BadInput`` for a file that is no decision table, and when it says nothing of any of the stems.
    """
    import pyarrow as pa

    if uri is None:
        return Use({s.stem_id: 1.0 for s in stems})
    try:
        rows = storage.read_table(storage.absolute(uri)).to_pylist()
        weights = {row["stem_id"]: float(row["weight"]) if row["keep"] else 0.0 for row in rows}
        spans = {row["stem_id"]: _spans(row) for row in rows if row.get("spans")}
    except (FileNotFoundError, pa.ArrowInvalid, KeyError, TypeError) as error:
        raise BadInput(f"--decision {uri}: no decision table ({error}); give a run's decision.parquet") from error
    for stem_id, weight in weights.items():
        if not (math.isfinite(weight) and weight >= 0):
            raise BadInput(f"--decision {uri}: weight {weight} of {stem_id}: must be a number of at least 0")
    for stem_id, found in spans.items():
        if wrong := [span for span in found if not 0 <= span[0] < span[1]]:
            raise BadInput(f"--decision {uri}: span {wrong[0]} of {stem_id}: start must be at least 0 and before stop")
    return Use(weights, spans)


def _spans(row: dict[str, Any]) -> Spans:
    return tuple((float(span["start"]), float(span["stop"])) for span in row["spans"])
