from __future__ import annotations

import torch

from raysep.probes.precision import single_precision


def test_no_ten_bit_arithmetic_is_left_on_and_what_torch_does_by_itself_comes_back():
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
    single_precision(full=True)
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32
    single_precision(full=False)
    assert (torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32) == (True, False)
