"""What the rivals are called; light, for whoever asks for the names only."""

from __future__ import annotations

NAMES = {
    "tracin": "TracIn over checkpoints",
    "tracin-adam": "TracIn, scaled by Adam's second moment",
    "hessian-cg": "conjugate gradients on the Hessian at the end",
    "gauss-newton-cg": "conjugate gradients on the Gauss-Newton matrix at the end",
    "ekfac": "EK-FAC at the end",
    "gradient-product": "product of the gradients at the end",
    "self-influence-reference": "self-influence at the network trained on the reference",
    "gradient-norm": "minus the gradient's norm at the end",
    "random-weights": "product of the gradients at weights that were never trained",
}
