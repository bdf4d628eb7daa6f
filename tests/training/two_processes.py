"""Run by test_loop: the same two parts trained in one process, then in two that exchange gradients."""

import sys
from pathlib import Path

import torch
from torch import distributed, multiprocessing

from raysep.separators import registry
from raysep.training.loop import train
from raysep.training.recipe import Recipe

RECIPE = Recipe(steps=4, batch=5, segment_seconds=0.1, loss="waveform-mse", gradient_clip=0.1, seed=1)
SIZES = (3, 2)  # examples of the parts: unequal on purpose


def part(number: int, step: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(10 * step + number)
    return 0.1 * torch.randn(SIZES[number], 2, 1, 400, generator=generator, dtype=torch.float64)


def run(rank: int, world: int, folder: str) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = registry.build(
        "convtasnet", stems=("a", "b"), sample_rate=4000, channels=1, n_fft=128, hop=64,
        kernel=8, basis=8, width=4, hidden=8, layers=2, stacks=1,
    ).double()  # fmt: skip
    model, mine = network, range(rank, len(SIZES), world)
    if world > 1:
        store = distributed.FileStore(f"{folder}/store", world)
        distributed.init_process_group("gloo", store=store, rank=rank, world_size=world)
        model = torch.nn.parallel.DistributedDataParallel(network)
    start = torch.cat([p.detach().flatten() for p in network.parameters()])
    train(network, lambda step: [part(k, step) for k in mine], RECIPE, model=model, parts=list(mine), world=world)
    if rank == 0:
        end = torch.cat([p.detach().flatten() for p in network.parameters()])
        torch.save({"start": start, "end": end}, Path(folder) / f"{world}.pt")


if __name__ == "__main__":
    run(0, 1, sys.argv[1])
    multiprocessing.spawn(run, (2, sys.argv[1]), nprocs=2)
