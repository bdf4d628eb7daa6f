"""How fast this machine is at what a cleaning does: a few stems decoded, and a network and an embedder on noise.

Half a minute at most, whatever the corpus. Of a core, with one thread; of the GPU where there is one.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from raysep.commands.clean.estimate import Speed
from raysep.config import Config
from raysep.corpus.hashing import stable_hash
from raysep.corpus.manifest import Stem
from raysep.errors import AudioError

SECONDS = {"decode": 12.0, "embed": 6.0, "forward": 4.0, "step": 8.0}  # for each
ASSUMED_DECODE = 600.0  # docs/results/throughput.md
STEPS = 6  # of a training, at most
EMBEDDED = 10.0  # seconds of noise that are embedded at a time


def measure(config: Config, stems: Sequence[Stem], sample_rate: int, channels: int) -> Speed:
    """Decodes stems until the time is over, in an order that hashes decide; unreadable ones do not count."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        decode, told = _decode(stems, sample_rate, channels)
        network = _network(config, sample_rate, channels).to(device)
        where = "one GPU" if device.type == "cuda" else "one core"
        return Speed(
            decode=decode,
            embed=_embed(config, sample_rate, device),
            forward=_forward(network, config, sample_rate, channels, device),
            step=_step(network, config, sample_rate, channels, device),
            parameters=sum(p.numel() for p in network.parameters()),
            gpu=device.type == "cuda",
            measured=told | dict.fromkeys(("embed", "forward", "step"), where),
        )
    finally:
        torch.set_num_threads(threads)


def _decode(stems: Sequence[Stem], sample_rate: int, channels: int) -> tuple[float, dict[str, str]]:
    """Seconds of audio per second, read, decoded and resampled, and how that is known."""
    from raysep.corpus.reading import read_stem

    begin, seconds, count = time.perf_counter(), 0.0, 0
    for stem in sorted((s for s in stems if s.frames), key=lambda s: stable_hash(s.stem_id)):
        if count and time.perf_counter() - begin > SECONDS["decode"]:
            break
        try:
            seconds += read_stem(stem, sample_rate, channels).shape[1] / sample_rate
            count += 1
        except AudioError:
            continue
    if not count:
        return ASSUMED_DECODE, {}
    took = time.perf_counter() - begin
    return seconds / took, {"decode": f"{count} stems, {seconds:.0f} s of audio"}


def _network(config: Config, sample_rate: int, channels: int) -> Any:
    from raysep.separators import registry
    from raysep.training.network import network_arguments

    return registry.build(config.network.model, **network_arguments(config, sample_rate, channels))


def _embed(config: Config, sample_rate: int, device: Any) -> float:
    import numpy as np

    from raysep.probes.embedders import registry
    from raysep.probes.embedders.base import audible_frames

    embedder = registry.build(config.scoring.embedder, sample_rate, config.scoring.embedder_weights).to(device)
    noise = 0.1 * np.random.default_rng(0).standard_normal((1, round(EMBEDDED * sample_rate)), dtype=np.float32)
    return EMBEDDED / _timed(lambda: audible_frames(embedder, noise, sample_rate), SECONDS["embed"])


def _forward(network: Any, config: Config, sample_rate: int, channels: int, device: Any) -> float:
    import torch

    from raysep.probes.losses import losses_of

    scoring, network = config.scoring, network.eval()
    shape = (scoring.batch, len(config.labels), channels, round(scoring.segment_seconds * sample_rate))
    targets = 0.1 * torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(device)
    once = lambda: losses_of(network, targets.sum(dim=1), targets, scoring.batch).cpu()  # noqa: E731
    return _timed(once, SECONDS["forward"]) / scoring.batch


def _step(network: Any, config: Config, sample_rate: int, channels: int, device: Any) -> float:
    """Of all parts of the batch together."""
    import torch

    from raysep.config import recipe_of
    from raysep.training import loop

    training = config.training
    frames = round(training.segment_seconds * sample_rate)
    batch = torch.randn(
        (training.batch, len(config.labels), channels, frames), generator=torch.Generator().manual_seed(0)
    )
    network.set_input_statistics(batch.sum(dim=1))
    recipe = recipe_of(training, STEPS, save_steps=(), seed=0, validate_every=0, patience=0, schedule="constant")
    at = [time.perf_counter()]

    def on_step(step: int, loss: float) -> None:
        at.append(time.perf_counter())
        if at[-1] - at[0] > SECONDS["step"]:
            raise _Enough

    with contextlib.suppress(_Enough):
        loop.train(network.train(), lambda step: 0.1 * batch, recipe, on_step=on_step)
    return min(after - before for before, after in pairwise(at))


class _Enough(Exception):
    """It has been measured for as long as it may take."""


def _timed(action: Callable[[], Any], seconds: float) -> float:
    """Seconds that it takes: the quickest of a few times, after one that warms up."""
    action()
    took: list[float] = []
    begin = time.perf_counter()
    while not took or (time.perf_counter() - begin < seconds and len(took) < 5):
        start = time.perf_counter()
        action()
        took.append(time.perf_counter() - start)
    return min(took)
