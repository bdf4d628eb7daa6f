from __future__ import annotations

import torch

from raysep.probes.precision import full_single_precision


def test_no_ten_bit_arithmetic_is_left_on():
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
    full_single_precision()
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32
