from __future__ import annotations

import os
import weakref
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from raysep.errors import BadInput
from raysep.separators import registry
from raysep.separators.base import Separator
from raysep.separators.inference import separate, separate_blocks


@pytest.fixture(autouse=True)
def one_thread():
    """Threads do not pay for networks of this size, and cost a lot on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@dataclass(frozen=True)
class IdentityConfig:
    stems: tuple[str, ...] = ("a", "b")
    sample_rate: int = 100  # Hz
    channels: int = 1
    n_fft: int = 8
    hop: int = 4


class Identity(Separator):
    """Gives the mixture as its first stem, the negative as its second, and remembers what it was given."""

    config_class = IdentityConfig

    def __init__(self, config=None):
        super().__init__(config or IdentityConfig())
        self.shapes: list[tuple[int, ...]] = []

    def separate(self, mixture, filter="ratio", residual=False):
        assert not self.training
        self.shapes.append(tuple(mixture.shape))
        return torch.stack([mixture, -mixture] + [torch.zeros_like(mixture)] * residual, dim=1)


def noise(channels: int, time: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(channels, time, generator=torch.Generator().manual_seed(seed))


def cut(mixture: torch.Tensor, places) -> list[torch.Tensor]:
    time = mixture.shape[-1]
    return [mixture[:, a:b] for a, b in pairwise([0, *sorted(p % (time + 1) for p in places), time])]


@settings(max_examples=120, deadline=None)
@given(
    time=st.integers(0, 600),
    chunk=st.floats(0.001, 4.0),
    overlap=st.floats(0.0, 0.999),
    batch=st.integers(1, 5),
    channels=st.integers(1, 2),
    shifts=st.integers(0, 3),
    places=st.lists(st.integers(0, 600), max_size=8),
)
def test_an_identity_returns_its_input_however_it_is_cut(time, chunk, overlap, batch, channels, shifts, places):
    mixture, network = noise(channels, time, seed=time), Identity()
    result = separate(network, mixture, chunk, overlap, batch, shifts=shifts)
    torch.testing.assert_close(result, torch.stack([mixture, -mixture]), rtol=0, atol=1e-5)
    size = max(1, round(chunk * 100)) + 50  # a shift lengthens a chunk by up to half a second
    assert all(shape[0] <= batch * channels and shape[2] <= max(size, 8) for shape in network.shapes)
    blocks = list(separate_blocks(network, cut(mixture, places), chunk, overlap, batch, shifts=shifts))
    assert torch.equal(torch.cat(blocks, dim=-1) if blocks else torch.zeros(2, channels, 0), result)


@settings(max_examples=8, deadline=None)
@given(places=st.lists(st.integers(0, 9000), max_size=6), filter=st.sampled_from(["ratio", "phase", "wiener"]))
def test_a_network_gives_the_same_bits_however_the_mixture_is_cut(places, filter):
    torch.manual_seed(0)
    network = registry.build("openunmix-joint", sample_rate=8000, n_fft=128, hop=64, hidden=8, layers=1)
    mixture = noise(2, 9000)
    blocks = separate_blocks(network, cut(mixture, places), 0.25, 0.3, 3, filter)
    assert torch.equal(torch.cat(list(blocks), dim=-1), separate(network, mixture, 0.25, 0.3, 3, filter))


def test_a_short_mixture_goes_through_in_one_piece():
    network = Identity()
    separate(network, torch.zeros(1, 999), chunk_seconds=10)
    assert network.shapes == [(1, 1, 999)]


def test_a_chunk_far_longer_than_the_mixture_costs_nothing():
    """86,400 s at this rate are 8.6 million samples, and their sums for both stems 70 MB; nothing so long is made."""
    lengths = []

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            result = function(*args, **(kwargs or {}))
            lengths.extend(t.numel() for t in [result] if isinstance(t, torch.Tensor))
            return result

    mixture = noise(1, 999)
    with Watch():
        result = separate(Identity(), mixture, chunk_seconds=86_400)
    assert torch.equal(result[0], mixture)
    assert max(lengths) == 2 * 999


def test_the_last_chunk_hears_the_mixture_and_no_padding():
    """It reaches back: every chunk of a long mixture is full, and what is new in the last one comes from it alone."""
    heard = []

    class Recorder(Identity):
        def separate(self, mixture, filter="ratio", residual=False):
            heard.extend(mixture)
            return super().separate(mixture, filter, residual)

    mixture = torch.arange(1, 251, dtype=torch.float32)[None]
    separate(Recorder(), mixture, chunk_seconds=1.0, overlap=0.25)
    assert [(int(c[0, 0]), int(c[0, -1])) for c in heard] == [(1, 100), (76, 175), (151, 250)]
    heard.clear()
    separate(Recorder(), mixture[:, :180], chunk_seconds=1.0, overlap=0.25)
    assert [(int(c[0, 0]), int(c[0, -1])) for c in heard] == [(1, 100), (76, 175), (81, 180)]


def test_neighbours_are_blended_linearly():
    """Oracle by hand: a network that answers with its chunk's number leaves straight ramps between the numbers."""

    class Counting(Identity):
        def separate(self, mixture, filter="ratio", residual=False):
            numbers = len(self.shapes) + torch.zeros_like(mixture)
            super().separate(mixture)
            return numbers.unsqueeze(1).expand(-1, 2, -1, -1)

    result = separate(Counting(), torch.zeros(1, 175), chunk_seconds=1.0, overlap=0.25, batch=1)[0, 0]
    ramp = torch.arange(1, 26) / 26
    torch.testing.assert_close(result, torch.cat([torch.zeros(75), ramp, torch.ones(75)]))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_batch_changes_no_result(network, precision):
    mixture = noise(2, 5000)
    one, many = (separate(network, mixture, 0.1, 0.5, batch, precision=precision) for batch in (1, 5))
    torch.testing.assert_close(one, many, rtol=0, atol=1e-6 if precision == "float32" else 0.05)


def test_half_precision_is_near_and_differs(network):
    mixture = noise(2, 5000)
    full, half = (separate(network, mixture, precision=p) for p in ("float32", "bfloat16"))
    assert half.dtype == torch.float32
    assert 0 < (full - half).norm() / full.norm() < 0.03


def test_any_network_separates_any_length(any_network):
    for time in (1, 100, 3000):
        result = separate(any_network, noise(2, time), chunk_seconds=0.2)
        assert result.shape == (len(any_network.stems), 2, time)
        assert result.isfinite().all()


def test_a_network_with_mirrored_ends_takes_less_than_half_a_window():
    network = registry.build("openunmix", sample_rate=8000, n_fft=128, hop=32, hidden=8, padding="reflect")
    mixture = noise(2, 20)
    torch.testing.assert_close(separate(network, mixture).sum(dim=0), mixture, rtol=0, atol=1e-5)


def test_shifted_copies_are_averaged(network):
    """Oracle: the network itself on copies delayed by hand."""
    network.eval()
    mixture, room = noise(2, 3000), round(2 / 3 * 0.5 * 8000)
    copies = []
    for delay in (0, round(1 / 3 * 0.5 * 8000), room):
        padded = torch.nn.functional.pad(mixture, (delay, room - delay))
        with torch.no_grad():
            copies.append(network.separate(padded[None])[0, ..., delay : delay + 3000])
    torch.testing.assert_close(separate(network, mixture, shifts=3), sum(copies) / 3)
    assert torch.equal(separate(network, mixture, shifts=1), separate(network, mixture))


def test_the_residual_comes_last(network):
    mixture = noise(2, 3000)
    with_rest = separate(network, mixture, filter="phase", residual=True)
    assert with_rest.shape == (5, 2, 3000)
    torch.testing.assert_close(with_rest[:4], separate(network, mixture, filter="phase"), rtol=0, atol=1e-6)
    torch.testing.assert_close(with_rest.sum(dim=0), mixture, rtol=0, atol=1e-4)


def test_mono_through_a_stereo_network_is_both_channels_alike(network):
    mono = noise(1, 3000)
    expected = separate(network, mono.expand(2, -1)).mean(dim=1, keepdim=True)
    torch.testing.assert_close(separate(network, mono), expected, rtol=0, atol=1e-6)


def test_four_channels_through_a_stereo_network_are_two_pairs(network):
    mixture = noise(4, 3000)
    pairs = [separate(network, mixture[i : i + 2], 0.1) for i in (0, 2)]
    torch.testing.assert_close(separate(network, mixture, 0.1), torch.cat(pairs, dim=1), rtol=0, atol=1e-6)


def test_three_channels_through_a_stereo_network_are_refused(network):
    with pytest.raises(BadInput, match="3 channels"):
        separate(network, noise(3, 3000))


def test_the_networks_mode_is_left_as_it_was_even_between_blocks(network):
    network.train()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    for block in separate_blocks(network, [noise(2, 3000)], 0.1):
        assert network.training
        assert not torch.is_inference_mode_enabled()
        assert not block.is_inference()
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
    assert not separate(network, noise(2, 3000)).is_inference()


@pytest.mark.parametrize(
    "options",
    [
        {"chunk_seconds": 0},
        {"chunk_seconds": float("nan")},
        {"chunk_seconds": float("inf")},
        {"overlap": 1.0},
        {"overlap": -0.1},
        {"batch": 0},
        {"shifts": -1},
        {"filter": "magic"},
        {"precision": "float8"},
    ],
)
def test_options_out_of_range_are_refused_at_once(options):
    with pytest.raises(BadInput, match=next(iter(options))):
        separate_blocks(Identity(), [], **options)


def test_what_is_held_does_not_grow_with_the_length():
    """Counts the samples of blocks that are still alive, and how far reading runs ahead of the results."""
    alive, most, read = 0, 0, 0

    def blocks(count: int):
        nonlocal alive, most, read
        for _ in range(count):
            block = np.zeros((1, 70), np.float32)
            alive, read = alive + 70, read + 70

            def gone():
                nonlocal alive
                alive -= 70

            weakref.finalize(block, gone)
            yield torch.from_numpy(block)
            most = max(most, alive)

    given = ahead = 0
    for piece in separate_blocks(Identity(), blocks(5000), chunk_seconds=1.0, batch=3):
        given += piece.shape[-1]
        ahead = max(ahead, read - given)
    assert given == 350_000
    assert ahead <= 4 * 100 + 70  # a batch, the chunk that is being blended, and a block
    assert most <= 3 * 100


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads the process's memory from /proc")
def test_the_memory_of_the_process_does_not_grow_with_the_length():
    """Twenty million samples, whose stems would be 160 MB."""

    def resident() -> float:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    blocks = (torch.zeros(1, 50_000) for _ in range(400))
    done, at_start = 0, 0.0
    for piece in separate_blocks(Identity(), blocks, chunk_seconds=1000.0):
        done += piece.shape[-1]
        if not at_start and done > 2_000_000:
            at_start = resident()
    assert done == 20_000_000
    assert resident() - at_start < 40  # the rest of the mixture alone would be 72
