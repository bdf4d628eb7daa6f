"""A transformer that knows positions by turning: attention depends on how far apart two places are, not on where they lie.

Su, Lu, Pan, Murtadha, Wen, Liu: "RoFormer: Enhanced Transformer with Rotary Position Embedding" (arXiv 2104.09864).
Parameters are named as in the published checkpoints of BS-RoFormer, whose heads are gated beyond the paper.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from raysep.separators.bands import RMSNorm
from raysep.separators.recurrence import fused

BASE = 10_000.0  # of the geometric row of frequencies; section 3.2.2 of the paper


class RotaryEmbedding(nn.Module):
    """Turns pairs of neighbouring features of ``(..., position, feature)``, pair i by position · BASE^(-2i / features)."""

    freqs: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        # Persistent, as published: a checkpoint carries the frequencies that it was trained with.
        self.register_buffer("freqs", BASE ** -(torch.arange(0, features, 2) / features))

    def forward(self, x: Tensor) -> Tensor:
        positions = torch.arange(x.shape[-2], device=x.device, dtype=self.freqs.dtype)
        angles = positions[:, None] * self.freqs  # (position, feature / 2), radians
        cosine, sine = angles.cos(), angles.sin()
        a, b = x.to(self.freqs.dtype).unflatten(-1, (-1, 2)).unbind(dim=-1)
        return torch.stack([a * cosine - b * sine, a * sine + b * cosine], dim=-1).flatten(-2).to(x.dtype)


class Attention(nn.Module):
    """Every place of ``(batch, place, dim)`` looks at all places, by ``heads`` views of ``dim_head`` features, each gated."""

    def __init__(self, dim: int, heads: int, dim_head: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.norm = RMSNorm(dim)
        self.rotary_embed = RotaryEmbedding(dim_head)
        self.to_qkv = nn.Linear(dim, 3 * heads * dim_head, bias=False)
        self.to_gates = nn.Linear(dim, heads)
        self.to_out = nn.Sequential(nn.Linear(heads * dim_head, dim, bias=False), nn.Dropout(dropout))

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(x)
        packed = self.to_qkv(x).unflatten(-1, (3, self.heads, -1))  # (batch, place, 3, head, dim_head)
        query, key, value = packed.permute(2, 0, 3, 1, 4).unbind(0)  # (batch, head, place, dim_head) each
        dropout = self.dropout if self.training else 0.0
        seen = attend(self.rotary_embed(query), self.rotary_embed(key), value, dropout)
        gates = self.to_gates(x).sigmoid()  # (batch, place, head)
        return self.to_out((seen.transpose(1, 2) * gates.unsqueeze(-1)).flatten(2))


def attend(query: Tensor, key: Tensor, value: Tensor, dropout: float = 0.0) -> Tensor:
    """``(batch, head, place, dim_head)`` each -> the same: softmax(query · keyᵀ / √dim_head) · value.

    The library's fused kernels have no second derivative and none forwards: within ``step_by_step`` and under transforms
    of ``torch.func`` the formula itself is computed.
    """
    if fused():
        return F.scaled_dot_product_attention(query, key, value, dropout_p=dropout)
    with sdpa_kernel(SDPBackend.MATH):
        return F.scaled_dot_product_attention(query, key, value, dropout_p=dropout)


class FeedForward(nn.Module):
    """``(..., dim)`` -> the same, through a layer four times as wide."""

    def __init__(self, dim: int, dropout: float) -> None:
        super().__init__()
        self.net = nn.Sequential(
            RMSNorm(dim),
            nn.Linear(dim, 4 * dim),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(4 * dim, dim),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class Transformer(nn.Module):
    """``(batch, other, place, dim)`` -> the same: ``depth`` times attention over places and a feed-forward, each added.

    With ``normed`` what comes out is normalised.
    """

    def __init__(
        self,
        dim: int,
        depth: int,
        heads: int,
        dim_head: int,
        attn_dropout: float = 0.0,
        ff_dropout: float = 0.0,
        normed: bool = False,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.ModuleList([Attention(dim, heads, dim_head, attn_dropout), FeedForward(dim, ff_dropout)])
            for _ in range(depth)
        )
        self.norm = RMSNorm(dim) if normed else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        sizes, x = x.shape[:2], x.flatten(0, 1)
        for layer in self.layers:
            assert isinstance(layer, nn.ModuleList)
            for part in layer:
                x = x + part(x)
        return self.norm(x).unflatten(0, sizes)
