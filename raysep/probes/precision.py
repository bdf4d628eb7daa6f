"""float32 on a GPU as what it says."""

from __future__ import annotations


def single_precision(full: bool) -> None:
    """For this process: no TF32, by which cuDNN's convolutions and recurrent layers keep ten bits unless told otherwise.

    Attribution compares losses at weights a thousandth apart, which would drown in that rounding. Not ``full`` is as torch
    comes: a worker that compared losses may do something else next. Nothing changes on a CPU.
    """
    import torch

    torch.backends.cudnn.allow_tf32 = not full
    torch.backends.cuda.matmul.allow_tf32 = False
