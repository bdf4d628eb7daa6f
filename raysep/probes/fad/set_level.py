"""One number for a whole set of audio: its distance to the reference, all frames together."""

from __future__ import annotations

from typing import Any

import numpy as np

from raysep.probes.fad.distance import frechet_distance
from raysep.probes.fad.infinity import frechet_distance_infinity
from raysep.probes.fad.kernel import kernel_distances
from raysep.probes.fad.neighbours import MOST_FRAMES, thinned
from raysep.probes.fad.reference import LabelReference
from raysep.probes.fad.statistics import Part, ReferenceStatistics

SMALLEST = 500  # frames of the smallest draw of FAD-∞, as in fadtk
DRAWS = 25
# A set needs more frames for FAD-∞. How far the line is off at 1/n = 0, in standard deviations of one draw's distance,
# depends on the sizes alone: 511 at 501 frames, 7.0 at 550, 1.7 at 750, 0.97 at 1000, 0.50 at 2000. Measured with
# Gaussian frames of 12 dimensions 0.65 away: -70 to 60 at 501, 0.54 to 0.82 at 1000 (sixteen seeds).
LEAST = 2 * SMALLEST

DEFINITIONS = {
    "fad": "Fréchet distance of all frames of the set to the reference, each dimension standardised by the reference",
    "fad_infinity": "the same extrapolated to infinitely many frames: a straight line in 1/n through "
    f"{DRAWS} random draws of {SMALLEST} to all frames, read off at 1/n = 0; r2 is the share of the variance over n that the line explains; "
    f"null for up to {LEAST} frames, whose sizes are too alike to draw a line",
    "fad_unscaled": "fad of the embedding as it is, in its own unit: the number that fadtk computes from the same frames",
    "fad_infinity_unscaled": "likewise fad_infinity",
    "kad": f"100 times the unbiased kernel distance (MMD²) of the standardised frames, at most {MOST_FRAMES} of each side "
    "drawn at random; around zero = no difference",
}


def set_distances(frames: np.ndarray, reference: LabelReference, seed: int = 0) -> dict[str, Any]:
    """The numbers of ``DEFINITIONS`` for the raw ``(n, dimension)`` frames of a set; higher = further.

    None for all when n < 2. FAD-∞ of up to ``LEAST`` frames, twice the smallest draw, has the value None and says so
    in ``reason``: there ``frechet_distance_infinity`` is off by more than the distance of a single draw is.
    """
    if len(frames) < 2:
        return {name: _too_few(len(frames)) if "infinity" in name else None for name in DEFINITIONS}
    standardised, own_unit = reference.standardise(frames), np.asarray(frames, dtype=np.float64)
    some = thinned(standardised, MOST_FRAMES, seed)
    return {
        "fad": frechet_distance(standardised, reference.clean.statistics),
        "fad_infinity": _infinity(standardised, reference.clean.statistics, seed),
        "fad_unscaled": frechet_distance(own_unit, unscaled(reference)),
        "fad_infinity_unscaled": _infinity(own_unit, unscaled(reference), seed),
        "kad": float(kernel_distances([some], reference.clean.kernel)[0]),
    }


def unscaled(reference: LabelReference) -> ReferenceStatistics:
    """Of the embedding in its own unit, got back from the standardised ones."""
    whole = reference.clean.statistics
    centre = reference.centre + reference.scale * whole.mean
    return ReferenceStatistics([Part(whole.count, centre, whole.root * reference.scale)])


def _infinity(frames: np.ndarray, statistics: ReferenceStatistics, seed: int) -> dict[str, Any]:
    if len(frames) <= LEAST:
        return _too_few(len(frames))
    found = frechet_distance_infinity(frames, statistics, DRAWS, SMALLEST, seed)
    return {
        "value": found.distance,
        "r2": found.r2,
        "slope": found.slope,
        "draws": len(found.sizes),
        "least_frames": int(found.sizes[0]),
        "seed": seed,
    }


def _too_few(frames: int) -> dict[str, Any]:
    reason = f"FAD-∞ needs more than {LEAST} frames, and these are {frames}"
    if frames > SMALLEST:
        reason += f": draws of {SMALLEST} to {frames} are too alike to draw a line through"
    return {"value": None, "reason": reason}
