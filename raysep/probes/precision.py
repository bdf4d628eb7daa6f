"""float32 on a GPU as what it says."""

from __future__ import annotations


def full_single_precision() -> None:
    """For this process: no TF32, by which cuDNN's convolutions and recurrent layers keep ten bits unless told otherwise.

    Attribution compares losses at weights a thousandth apart, which would drown in that rounding. Nothing changes on a CPU.
    """
    import torch

    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
