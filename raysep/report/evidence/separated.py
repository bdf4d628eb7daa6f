"""What a run's separator hears as a label in a track's mixture, over a few seconds, to be held against the stem itself.

The network is the one that scores every stem: at the end of its training on everything, the wrong stems too. It is run on
the CPU and by one thread, so that the same run gives the same page, however many there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from raysep.audio.channels import as_channels
from raysep.errors import BadInput
from raysep.rundir import Run

if TYPE_CHECKING:
    from raysep.separators.base import Separator

CHECKPOINT = ("checkpoints", "probe-final.safetensors")
CONTEXT_SECONDS = 1.5  # heard before and after what is shown: an estimate is worst where it begins


class Hearing:
    """The trained network of a run. Neither it nor torch is loaded before it is asked for."""

    def __init__(self, run: Run) -> None:
        self._run = run

    @cached_property
    def is_there(self) -> bool:
        return self._run.has(*CHECKPOINT)

    @property
    def missing(self) -> str:
        """``why_not``, as far as it is known without loading anything."""
        return self.why_not if not self.is_there or "_read" in self.__dict__ else ""

    @property
    def network(self) -> Separator | None:
        return self._read[0]

    @property
    def why_not(self) -> str:
        """One sentence where there is no network to be had; "" where there is one."""
        return self._read[1]

    @cached_property
    def _read(self) -> tuple[Separator | None, str]:
        said = "What the separator hears is not among the sounds"
        if not self.is_there:
            return None, f"{said}: this run has no trained network ({'/'.join(CHECKPOINT)})."
        from raysep.separators.checkpoint import from_bytes, network_of

        try:
            return network_of(from_bytes(self._run.read_bytes(*CHECKPOINT), self._run.path(*CHECKPOINT))), ""
        except BadInput as error:
            return None, f"{said}: {error}"

    def estimate(self, mixture: np.ndarray, label: str, before: float, seconds: float) -> np.ndarray | None:
        """``(channel, time)`` of ``seconds`` from ``before`` seconds on, at the network's rate, as the mixture is.

        None where there is no network, or none that separates the label.
        """
        network = self.network
        if network is None or label not in network.stems:
            return None
        import torch

        from raysep.separators.inference import separate

        heard = torch.from_numpy(as_channels(mixture, network.channels).astype(np.float32))
        with one_thread():
            stems = separate(network, heard)
        first = round(before * network.sample_rate)
        return stems[network.stems.index(label), :, first : first + round(seconds * network.sample_rate)].numpy()


@contextmanager
def one_thread() -> Iterator[None]:
    """Sums of several threads differ in their last bits with their number; afterwards it is as it was."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
