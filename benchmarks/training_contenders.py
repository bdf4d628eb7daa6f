"""The three loops that ``benchmarks.training`` times, each to be run in a process of its own.

All train the published Open-Unmix network of one target on the same WAV files: batches of random stereo segments, each
stem from a random track with a random gain and perhaps swapped channels, squared error of magnitudes, Adam.
A contender returns the seconds of each of its steps; the caller throws the first ones away.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

STEMS = ("vocals", "drums", "bass", "other")  # the first is the target
RATE, N_FFT, HOP, BANDWIDTH = 44100, 4096, 1024, 16000.0
LEARNING_RATE, WEIGHT_DECAY = 1e-3, 1e-5


@dataclass(frozen=True)
class Task:
    """What is trained, and how long."""

    songs: str  # folder with train/<song>/<stem>.wav
    hidden: int
    batch: int
    seconds: float  # of a segment
    steps: int
    seed: int
    device: str = "cpu"
    threads: int = 0  # 0: the library's choice

    @property
    def frames(self) -> int:
        return round(self.seconds * RATE)


@dataclass(frozen=True)
class Timing:
    """Seconds of every step (of a data set's epochs: whatever lies between two steps included) and of what came before."""

    steps: list[float]
    before: float
    losses: list[float]


def package(task: Task, workers: int = 0) -> Timing:
    """The openunmix package: its folder data set, its transforms and network, the loop of its ``scripts/train.py``.

    That script is not in the package; what it does is done here in its order: pass over a shuffled ``DataLoader`` again
    and again, zero the gradients, both spectrograms, the mean squared error, a step of Adam, the loss as a number.
    """
    from torch.utils.data import DataLoader

    data, model, transforms, utils = _package_modules()
    begin = time.perf_counter()
    dataset = data.FixedSourcesTrackFolderDataset(
        root=task.songs,
        split="train",
        target_file=f"{STEMS[0]}.wav",
        interferer_files=[f"{stem}.wav" for stem in STEMS[1:]],
        seq_duration=task.seconds,
        random_chunks=True,
        random_track_mix=True,
        source_augmentations=data.aug_from_str(["gain", "channelswap"]),
        seed=task.seed,
    )
    torch.manual_seed(task.seed)
    on_gpu = task.device != "cpu"
    options = {"num_workers": workers, "pin_memory": True} if on_gpu else {"num_workers": workers}
    loader = DataLoader(dataset, batch_size=task.batch, shuffle=True, **options)
    stft, _ = transforms.make_filterbanks(n_fft=N_FFT, n_hop=HOP, sample_rate=RATE)
    encoder = torch.nn.Sequential(stft, model.ComplexNorm(mono=False)).to(task.device)
    mean, deviation = _statistics(task)
    network = model.OpenUnmix(
        input_mean=mean,
        input_scale=deviation,
        nb_bins=N_FFT // 2 + 1,
        nb_channels=2,
        hidden_size=task.hidden,
        max_bin=int(utils.bandwidth_to_max_bin(RATE, N_FFT, BANDWIDTH)),
    ).to(task.device)
    optimiser = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    average = utils.AverageMeter()
    clock, before = _Clock(task), time.perf_counter() - begin
    network.train()
    while not clock.done:
        for x, y in loader:
            x, y = x.to(task.device), y.to(task.device)
            optimiser.zero_grad()
            estimate = network(encoder(x))
            loss = torch.nn.functional.mse_loss(estimate, encoder(y))
            loss.backward()
            optimiser.step()
            average.update(loss.item(), y.size(1))
            if clock.tick(average.val):
                break
    return Timing(clock.seconds, before, clock.losses)


def ours(task: Task) -> Timing:
    """raysep: ``SegmentPool`` filled from the files, augmentation on the batch, ``loop.train`` as users get it."""
    from raysep.training import loop
    from raysep.training.pool import SegmentPool
    from raysep.training.recipe import Recipe

    begin = time.perf_counter()
    pool = SegmentPool(STEMS, 2**34)
    for song, stem, audio in _files(task):
        piece = 2 * task.frames
        for start in range(0, audio.shape[1] - task.frames + 1, piece):
            pool.add(f"{song}/{stem}", start, stem, audio[:, start : start + piece])
    network = _network(task)
    recipe = Recipe(
        steps=task.steps,
        batch=task.batch,
        segment_seconds=task.seconds,
        learning_rate=LEARNING_RATE,
        weight_decay=WEIGHT_DECAY,
        augment=(
            "gain",
            "swap",
        ),  # the package's; the gradient's clip and the average of the weights stay, as by default
        seed=task.seed,
    )
    clock, before = _Clock(task), time.perf_counter() - begin
    loop.train(
        network,
        lambda step: pool.draw(task.batch, task.frames, step, task.seed),
        recipe,
        on_step=lambda _, loss: clock.tick(loss),
    )
    return Timing(clock.seconds, before, clock.losses)


def bare(task: Task) -> Timing:
    """The least there is: tensors in memory, raysep's network, loss, backward, Adam; nothing drawn, varied or averaged."""
    begin = time.perf_counter()
    generator = np.random.default_rng(task.seed)
    audio = {stem: [a for _, s, a in _files(task) if s == stem] for stem in STEMS}
    batches = [_example_batch(task, audio, generator).to(task.device) for _ in range(4)]
    mixtures = [batch.sum(dim=1) for batch in batches]
    targets = [batch[:, :1].contiguous() for batch in batches]
    network = _network(task)
    optimiser = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True)
    clock, before = _Clock(task), time.perf_counter() - begin
    network.train()
    step = 0
    while not clock.done:
        optimiser.zero_grad(set_to_none=True)
        estimate = network(mixtures[step % 4])
        with torch.no_grad():
            wanted = network.magnitude(targets[step % 4])
        loss = torch.nn.functional.mse_loss(estimate, wanted)
        loss.backward()
        optimiser.step()
        clock.tick(loss.item())
        step += 1
    return Timing(clock.seconds, before, clock.losses)


CONTENDERS: dict[str, Callable[[Task], Timing]] = {
    "package": package,
    "package, 2 loader processes": lambda task: package(task, workers=2),
    "raysep": ours,
    "bare": bare,
}


class _Clock:
    """Seconds between ticks, of ``task.steps`` of them, with the accelerator's queue empty at each."""

    def __init__(self, task: Task) -> None:
        self.task, self.seconds, self.losses = task, [], []
        self.last = time.perf_counter()

    @property
    def done(self) -> bool:
        return len(self.seconds) >= self.task.steps

    def tick(self, loss: float) -> bool:
        if self.task.device != "cpu":
            torch.cuda.synchronize()
        now = time.perf_counter()
        self.seconds.append(now - self.last)
        self.losses.append(loss)
        self.last = now
        return self.done


def _network(task: Task):
    from raysep.separators import registry

    torch.manual_seed(task.seed)
    network = registry.build("openunmix", stems=STEMS[:1], hidden=task.hidden, sample_rate=RATE, n_fft=N_FFT, hop=HOP)
    mean, deviation = _statistics(task)
    target = network.targets[STEMS[0]]
    with torch.no_grad():
        target.input_mean.copy_(-torch.from_numpy(mean)[: target.input_bins])
        target.input_scale.copy_(1.0 / torch.from_numpy(deviation)[: target.input_bins])
    return network.to(task.device)


def _statistics(task: Task) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of the mixtures' magnitudes per bin, float32; the same for all contenders."""
    from raysep.separators.base import bin_statistics
    from raysep.separators.spectrogram import Spectrogram, magnitude

    audio = {stem: [a for _, s, a in _files(task, songs=4) if s == stem] for stem in STEMS}
    batch = _example_batch(task, audio, np.random.default_rng(task.seed))
    mean, deviation = bin_statistics(magnitude(Spectrogram(N_FFT, HOP)(batch.sum(dim=1))))
    return mean.numpy(), deviation.numpy()


def _example_batch(task: Task, audio: dict[str, list[np.ndarray]], generator: np.random.Generator) -> torch.Tensor:
    """``(batch, stem, channel, time)`` float32 of random places in random songs."""
    crops = []
    for _ in range(task.batch):
        for stem in STEMS:
            song = audio[stem][generator.integers(len(audio[stem]))]
            start = generator.integers(song.shape[1] - task.frames)
            crops.append(song[:, start : start + task.frames].astype(np.float32) / 32768.0)
    return torch.from_numpy(np.stack(crops).reshape(task.batch, len(STEMS), 2, task.frames))


def _files(task: Task, songs: int | None = None) -> Iterator[tuple[str, str, np.ndarray]]:
    """(song, stem, int16 ``(channel, time)``) of every stem of the songs."""
    import soundfile

    for folder in sorted((Path(task.songs) / "train").iterdir())[:songs]:
        for stem in STEMS:
            yield folder.name, stem, soundfile.read(folder / f"{stem}.wav", dtype="int16")[0].T


def _package_modules():
    """The openunmix package's modules, its two reading functions on soundfile: torchaudio does not decode any more."""
    from raysep.separators import torchaudio_parts

    torchaudio_parts.models()  # afterwards ``import torchaudio`` succeeds beside a CPU-only torch
    import soundfile
    from openunmix import data, model, transforms, utils

    def load_info(path: str) -> dict:
        info = soundfile.info(str(path))
        return {
            "samplerate": info.samplerate,
            "samples": info.frames,
            "channels": info.channels,
            "duration": info.frames / info.samplerate,
        }

    def load_audio(path: str, start: float = 0.0, dur: float | None = None, info: dict | None = None):
        rate = (info or load_info(path))["samplerate"]
        frames = -1 if dur is None else int(dur * rate)
        audio, rate = soundfile.read(str(path), frames, int(start * rate), dtype="float32", always_2d=True)
        return torch.from_numpy(audio.T), rate

    data.load_info, data.load_audio = load_info, load_audio
    return data, model, transforms, utils
