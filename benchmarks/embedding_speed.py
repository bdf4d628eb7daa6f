"""How fast one core embeds with aiSFX, by which convolutions, beside what arithmetic allows; and how far each is from float64.

    python -m benchmarks.embedding_speed --out docs/results

One thread, rounds in turns so that a machine that slows down slows all; seconds are of the processor, and the least of all rounds
counts: what others do on the machine only adds to it. The limit is the multiply-adds of the published layers, patch by patch, at the
rate at which the same core, in the same rounds, multiplies two matrices of 1024 by 1024 of float32.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from benchmarks.results import write
from raysep.probes.embedders import shipped
from raysep.probes.embedders.aisfx import EPSILON, FILE, MELS, WIDTHS, AiSfxEmbedder
from raysep.probes.embedders.winograd import RESULTS, TAPS, TILE

ROUNDS, PATCHES, AT_ONCE, SIDE = 4, 16, 4, 1024
SECONDS = 20.0  # of audio, for the whole way from samples to numbers
DEMANDED = 200.0  # times real time
BEFORE, NOW = "batch norms folded, channels last", "by Winograd's filtering"


def layers() -> list[tuple[str, int, int, int]]:
    """(name, results a channel and patch, channels in, channels out) of each convolution."""
    found, rows, columns = [], AiSfxEmbedder.patch, MELS
    for block, (inward, outward) in enumerate(zip((1, *WIDTHS), WIDTHS, strict=False), 1):
        found += [(f"{block}.1", rows * columns, inward, outward), (f"{block}.2", rows * columns, outward, outward)]
        rows, columns = rows // 2, columns // 2
    return found


def multiply_adds() -> int:
    """Of one patch."""
    return sum(TAPS * TAPS * results * inward * outward for _, results, inward, outward in layers())


def published() -> nn.Sequential:
    """The layers as they were published, batch norms apart."""
    tensors, steps, before = load_file(shipped.FOLDER / FILE), [], 1
    for block, width in enumerate(WIDTHS, 1):
        for half in (1, 2):
            convolution, norm = nn.Conv2d(before, width, TAPS, padding=1, bias=False), nn.BatchNorm2d(width, EPSILON)
            convolution.weight.data = tensors[f"conv_block{block}.conv{half}.weight"].float()
            prefix = f"conv_block{block}.bn{half}."
            norm.load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}, False)
            steps += [convolution, norm, nn.ReLU()]
            before = width
        if block < len(WIDTHS):
            steps.append(nn.MaxPool2d(2))
    return nn.Sequential(*steps).eval()


def pooled(network: nn.Module, patches: torch.Tensor) -> torch.Tensor:
    return network(patches[:, None]).mean(dim=3).amax(dim=2)


def ways() -> dict[str, Callable[[torch.Tensor], torch.Tensor]]:
    """Name → ``(patch, 100, 96)`` to ``(patch, 512)``."""
    apart, ours, half = published(), AiSfxEmbedder(), AiSfxEmbedder().to(torch.bfloat16)
    return {
        "as published": lambda patches: pooled(apart, patches),
        BEFORE: ours.plainly,
        "the same in bfloat16": lambda patches: half.plainly(patches.bfloat16()).float(),
        NOW: ours.by_winograd,
    }


def patches_of_noise() -> torch.Tensor:
    return torch.rand(PATCHES, AiSfxEmbedder.patch, MELS, generator=torch.Generator().manual_seed(0))


def in_parts(way: Callable[[torch.Tensor], torch.Tensor], patches: torch.Tensor, at_once: int) -> torch.Tensor:
    return torch.cat([way(part) for part in patches.split(at_once)])


@torch.inference_mode()
def measured() -> tuple[dict[str, float], dict[str, float]]:
    """Processor seconds in the best of the rounds, and the largest distance to float64 as a share of an embedding's length."""
    patches, embedder = patches_of_noise(), AiSfxEmbedder()
    audio = 0.1 * torch.randn(1, round(SECONDS * embedder.sample_rate), generator=torch.Generator().manual_seed(0))
    square = torch.randn(SIDE, SIDE)
    named = ways()
    work: dict[str, Callable[[], Any]] = {
        name: lambda way=way, name=name: in_parts(way, patches, PATCHES if name == NOW else AT_ONCE)
        for name, way in named.items()
    }
    work |= {
        "matrices": lambda: [square @ square for _ in range(20)],
        "spectra": lambda: embedder.spectra(audio),
        "whole": lambda: embedder.embed(audio),
    }
    taken: dict[str, list[float]] = {name: [] for name in work}
    for number in range(ROUNDS + 1):
        for name, step in work.items():
            begin = time.process_time()
            step()
            if number:  # in the first what is made once is made
                taken[name].append(time.process_time() - begin)
    double = published().double()
    exact = in_parts(lambda part: pooled(double, part.double()), patches, AT_ONCE)
    away = {
        name: float(((way(patches).double() - exact).norm(dim=1) / exact.norm(dim=1)).max())
        for name, way in named.items()
    }
    return {name: min(each) for name, each in taken.items()}, away


def figures(taken: dict[str, float], away: dict[str, float]) -> dict[str, Any]:
    hop = AiSfxEmbedder.patch_step * AiSfxEmbedder.step / AiSfxEmbedder.sample_rate
    rate = 20 * SIDE**3 / taken["matrices"]
    return {
        "multiply_adds_a_patch": multiply_adds(),
        "multiply_adds_a_second": rate,
        "limit": hop * rate / multiply_adds(),
        "limit_by_winograd": hop * rate / (multiply_adds() * TILE**2 / (TAPS * RESULTS) ** 2),
        "ways": {
            name: {
                "times_real_time": hop * PATCHES / taken[name],
                "away": share,
                "of_before": taken[BEFORE] / taken[name],
            }
            for name, share in away.items()
        },
        "spectra": SECONDS / taken["spectra"],
        "whole": SECONDS / taken["whole"],
    }


def page(found: dict[str, Any]) -> str:
    lines = [
        f"aiSFX, {PATCHES} patches of 2.3 s, one each 1.16 s. Times real time: seconds of a stem for a second of a core. Distance: "
        "the largest between an embedding and the published layers' in float64, as a share of its length.\n",
        "| convolutions | times real time | against channels last | distance |",
        "|---|---:|---:|---:|",
        *(
            f"| {name} | {row['times_real_time']:.0f} | {row['of_before']:.2f} | {row['away']:.0e} |"
            for name, row in found["ways"].items()
        ),
        f"\nFrom samples to numbers, spectra included: **{found['whole']:.0f}** times real time; the spectra alone {found['spectra']:.0f}.\n",
        f"**Arithmetic limit.** {found['multiply_adds_a_patch'] / 1e9:.2f}e9 multiply-adds a patch; the core does "
        f"{found['multiply_adds_a_second'] / 1e9:.0f}e9 a second in a product of two matrices. So convolutions as they are published cannot "
        f"be faster than {found['limit']:.0f} times real time here, and with a quarter of the multiplications, were all else free, "
        f"{found['limit_by_winograd']:.0f}.",
    ]
    verdict = "met" if found["whole"] >= DEMANDED else "missed"
    lines.append(
        f"\nTarget: {DEMANDED:.0f} times real time a core, the same numbers to 1e-5: {verdict}, {found['whole']:.0f}."
    )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="docs/results")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = figures(*measured())
    about = f"{ROUNDS} rounds, one thread, on cores that other work shared"
    text = page(found)
    write(
        options.out,
        "embedding-speed",
        "How fast a core embeds",
        "python -m benchmarks.embedding_speed",
        about,
        text,
        found,
    )
    print(text)


if __name__ == "__main__":
    main()
