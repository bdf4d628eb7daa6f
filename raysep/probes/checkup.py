"""One track looked over while it is in memory: what its files measure, how its mixture fits, what it sounds like.

Every stem is decoded once, at its own rate. A file that cannot be read is a row that says so; the others go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from raysep.audio import acoustic
from raysep.audio.levels import is_silent
from raysep.corpus import storage
from raysep.corpus.layouts.headers import EXTENSIONS, File, header, to_stem
from raysep.corpus.layouts.naming import MIXTURE
from raysep.corpus.manifest import Stem
from raysep.corpus.reading import read_stem
from raysep.errors import AudioError, StorageError
from raysep.outcome import Outcome
from raysep.probes import against_mixture, flaws

if TYPE_CHECKING:
    from raysep.probes.embedders.base import Embedder

Print = tuple[np.ndarray, np.ndarray]  # of ``acoustic.moments``


@dataclass
class Checked:
    """What is known of a track: a row per file, fingerprints, and mean embeddings by label."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    prints: dict[str, Print] = field(default_factory=dict)  # label → fingerprint; "" → of the stems' sum
    vectors: dict[str, np.ndarray] = field(default_factory=dict)  # label → (dimension,)


def check_track(
    stems: Sequence[Stem], measures: bool = True, embedder: Embedder | None = None, mixture: Stem | None = None
) -> Checked:
    """Of all stems of one track, and of its own ``mixture`` file. Without ``measures`` only the fingerprints."""
    found = Checked()
    folded: list[np.ndarray] = []
    whole: dict[str, np.ndarray] = {}
    for stem in stems:
        row, audio = _read(stem, measures)
        found.rows.append(row)
        if audio is None:
            continue
        mono = acoustic.folded(audio, stem.sample_rate)
        folded.append(mono)
        found.prints[stem.stem] = acoustic.moments(mono)
        if measures:
            row.update(asdict(flaws.measure(audio, stem.sample_rate)))
        if embedder and row["outcome"] == Outcome.SCORED:
            found.vectors |= _embedded(embedder, stem, audio)
        if mixture:
            whole[stem.stem] = audio
    if folded:
        found.prints[""] = acoustic.moments(_sum(folded))
    if mixture:
        found.rows.append(_mixture_row(mixture, stems, whole, found.rows))
    return found


def _read(stem: Stem, measures: bool = True) -> tuple[dict[str, Any], np.ndarray | None]:
    """The file's row, in it what is odd about one that can be read (only with ``measures``); and its samples."""
    remarks: list[str] | None = [] if measures else None
    row: dict[str, Any] = {"track": stem.track, "stem": stem.stem, "uri": stem.uri, "message": ""}
    try:
        audio = read_stem(stem, stem.sample_rate, stem.channels, remarks)
    except StorageError:
        raise
    except AudioError as error:
        return row | {"outcome": str(Outcome.FAILED), "message": str(error)}, None
    except Exception as error:  # one odd file must not end the pass: it is reported with the reason
        return row | {"outcome": str(Outcome.FAILED), "message": f"{stem.uri}: {type(error).__name__}: {error}"}, None
    silent = is_silent(audio)
    outcome = str(Outcome.SILENT if silent else Outcome.SCORED)
    return row | {"outcome": outcome, "remark": "; ".join(remarks or []), "peak": flaws.peak(audio)}, audio


def _sum(parts: Sequence[np.ndarray]) -> np.ndarray:
    """``(time,)``; shorter ones end early."""
    total = np.zeros(max(map(len, parts)), np.float32)
    for part in parts:
        total[: len(part)] += part
    return total


def _embedded(embedder: Embedder, stem: Stem, audio: np.ndarray) -> dict[str, np.ndarray]:
    """The mean embedding of excerpts; nothing for a stem that has no audible frame in them."""
    from raysep.probes.embedders.base import audible_frames

    pieces = flaws.excerpts(audio, stem.sample_rate, flaws.EMBEDDED_SECONDS)
    frames = audible_frames(embedder, pieces, stem.sample_rate)
    return {stem.stem: frames.mean(axis=0)} if len(frames) and np.isfinite(frames).all() else {}


# The mixture file


def mixture_beside(stems: Sequence[Stem]) -> Stem | None:
    """The track's own mixture file, if one lies beside its stems. Its frames are 0 when it cannot be read."""
    folders = {stem.uri.rpartition("/")[0] for stem in stems}
    if len(folders) != 1:  # files of several folders: none of them is the track's
        return None
    folder = folders.pop()
    for info in storage.list_files(folder, recursive=False):
        uri = storage.uri_of(folder, info)
        name, _, ending = info.base_name.lower().rpartition(".")
        if name == MIXTURE and f".{ending}" in EXTENSIONS:
            read, etag, _ = header(uri)
            return to_stem(stems[0].track, MIXTURE, File(uri, info.size, PurePosixPath(info.base_name)), read, etag, "")
    return None


def _mixture_row(
    mixture: Stem, stems: Sequence[Stem], whole: dict[str, np.ndarray], rows: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """The mixture file's row; a stem's row is told by how much it comes late in it."""
    row, audio = _read(mixture)
    if audio is None:
        return row
    if len(whole) < len(stems):
        return row | {"message": f"{mixture.uri}: not compared, since not all of its stems can be read"}
    if odd := [s for s in stems if (s.sample_rate, s.frames) != (mixture.sample_rate, mixture.frames)]:
        differs = f"{mixture.sample_rate} Hz and {mixture.frames} samples, its {odd[0].stem} {odd[0].sample_rate} and {odd[0].frames}"
        return row | {"message": f"{mixture.uri}: is not of its stems' length and rate ({differs})"}
    channels = max(len(audio), *(len(each) for each in whole.values()))
    spread = {label: np.broadcast_to(each, (channels, each.shape[1])) for label, each in whole.items()}
    audio = np.broadcast_to(audio, (channels, audio.shape[1]))
    total = np.zeros_like(audio)
    for each in spread.values():
        total = total + each
    fitted = against_mixture.fit(audio, total)
    if fitted.residual_db > against_mixture.SUM_DB:
        late = against_mixture.lags(audio, spread, mixture.sample_rate)
        for told in rows:
            told.update({"lag": late.get(told["stem"])})
    return row | fitted._asdict()


def failed(stems: Sequence[Stem], message: str) -> Checked:
    """Of a track whose pass was lost."""
    row = {"outcome": str(Outcome.FAILED), "message": message}
    return Checked([{"track": s.track, "stem": s.stem, "uri": s.uri} | row for s in stems])
