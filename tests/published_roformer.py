"""Names and shapes of the tensors in published RoFormer checkpoints, spelt out from what is known of them.

Written by what others found in the files (lists of names and shapes, numbers of tensors and of parameters), not by our code.
"""

from __future__ import annotations

import torch

Shapes = dict[str, tuple[int, ...]]


def shapes(
    sizes: list[int],
    dim: int,
    depth: int,
    stems: int,
    channels: int = 2,
    heads: int = 8,
    dim_head: int = 64,
    expansion: int = 4,
    hidden_layers: int = 1,
    mel: bool = False,
) -> Shapes:
    """name → shape, for bands of so many bins with one layer in each transformer."""
    found: Shapes = {} if mel else {"final_norm.gamma": (dim,)}
    for block in range(depth):
        for axis in (0, 1):  # time, bands
            found |= _transformer(f"layers.{block}.{axis}", dim, heads, dim_head)
            if mel:
                found[f"layers.{block}.{axis}.norm.gamma"] = (dim,)
    for band, bins in enumerate(sizes):
        width = 2 * channels * bins
        found |= {
            f"band_split.to_features.{band}.0.gamma": (width,),
            f"band_split.to_features.{band}.1.weight": (dim, width),
            f"band_split.to_features.{band}.1.bias": (dim,),
        }
        layers = [dim, *[dim * expansion] * hidden_layers, 2 * width]
        for stem in range(stems):
            for place, (wide, narrow) in enumerate(zip(layers[1:], layers[:-1], strict=True)):
                name = f"mask_estimators.{stem}.to_freqs.{band}.0.{2 * place}"
                found |= {f"{name}.weight": (wide, narrow), f"{name}.bias": (wide,)}
    return found


def _transformer(name: str, dim: int, heads: int, dim_head: int) -> Shapes:
    inner = heads * dim_head
    attention, forward = f"{name}.layers.0.0", f"{name}.layers.0.1.net"
    return {
        f"{attention}.norm.gamma": (dim,),
        f"{attention}.rotary_embed.freqs": (dim_head // 2,),
        f"{attention}.to_qkv.weight": (3 * inner, dim),
        f"{attention}.to_gates.weight": (heads, dim),
        f"{attention}.to_gates.bias": (heads,),
        f"{attention}.to_out.0.weight": (dim, inner),
        f"{forward}.0.gamma": (dim,),
        f"{forward}.1.weight": (4 * dim, dim),
        f"{forward}.1.bias": (4 * dim,),
        f"{forward}.4.weight": (dim, 4 * dim),
        f"{forward}.4.bias": (dim,),
    }


def fills(state: dict[str, torch.Tensor], file_bytes: int) -> bool:
    """Whether a state in single precision makes a ``.ckpt`` of that size: torch adds some 430 bytes for each tensor."""
    return 300 < (file_bytes - 4 * sum(tensor.numel() for tensor in state.values())) / len(state) < 600
