"""Training processes that are killed: the weights at the end are those of a training that nothing disturbed."""

from __future__ import annotations

import json
import os
import random
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import ray.train

from raysep.cluster import fit
from raysep.cluster.plan import Group, Plan
from raysep.cluster.stream import Entry
from raysep.corpus import layouts
from raysep.separators import checkpoint
from raysep.training.recipe import Recipe

pytestmark = pytest.mark.cluster

LABELS = ("vocals", "drums", "bass", "other")
STEPS, SAVE = 120, 10


@pytest.fixture
def plan_to(corpora):
    """plan_to(out): a short training of a small network on the session's songs, from a pool that they do not fit into."""
    stems = layouts.scan(corpora.corpus, LABELS).stems

    def make(out: Path) -> Plan:
        return Plan(
            name="killed",
            stems=tuple(Entry(stem) for stem in sorted(stems)),
            model="openunmix-joint",
            arguments={"stems": LABELS, "sample_rate": 8000, "channels": 2, "n_fft": 256, "hop": 128, "hidden": 16},
            recipe=Recipe(
                steps=STEPS,
                batch=4,
                segment_seconds=1.0,
                save_steps=tuple(range(SAVE, STEPS, SAVE)),
                schedule="one-cycle",
            ),
            out=str(out / "weights.safetensors"),
            labels=LABELS,
        )

    return make


def group_in(folder: Path, **changes) -> Group:
    # 2 MiB of audio for each part, whose songs take 3.7: the position in the stream is part of the state.
    fixed = Group(workers=2, threads=1, memory_gib=2**-9, storage_path=str(folder / "states"), name="group")
    return replace(fixed, **changes)


def train(plan: Plan, group: Group, available, on_progress=lambda name, done, total: None) -> dict:
    fit.fit([plan], group, available, on_progress)
    return checkpoint.from_bytes(Path(plan.out).read_bytes(), plan.out).weights


def equal(first: dict, second: dict) -> bool:
    return first.keys() == second.keys() and all((first[name] == second[name]).all() for name in first)


def training_processes() -> list[int]:
    """Process numbers of Ray Train's workers on this machine."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                title = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue  # it has just ended
            if "RayTrainWorker" in title:
                found.append(int(entry.name))
    return found


class Killer:
    """Kills one of the training processes, without warning, once a step of its own choice is over."""

    def __init__(self, steps: list[int], rng: random.Random) -> None:
        self.steps, self.rng = sorted(steps), rng
        self.victims: list[int] = []

    def __call__(self, name: str, done: int, total: int) -> None:
        if self.steps and done >= self.steps[0]:
            self.steps.pop(0)
            victim = self.rng.choice(training_processes())
            self.victims.append(victim)
            os.kill(victim, signal.SIGKILL)


def test_a_worker_killed_three_times_leaves_the_weights_as_they_were(ray_runtime, plan_to, tmp_path):
    calm = train(plan_to(tmp_path / "calm"), group_in(tmp_path / "calm"), ray_runtime)
    rng = random.Random(3)
    # One in each third of the training; progress is posted every ten steps.
    killer = Killer([rng.randrange(third, third + STEPS // 3) for third in range(0, STEPS, STEPS // 3)], rng)
    plan = plan_to(tmp_path / "killed")
    disturbed = train(plan, group_in(tmp_path / "killed"), ray_runtime, killer)
    assert len(killer.victims) == 3
    assert len(set(killer.victims)) == 3
    assert equal(disturbed, calm)
    note = json.loads(Path(plan.out).with_suffix(".json").read_text())
    assert (note["model"], note["step"], note["fingerprint"]) == ("openunmix-joint", STEPS, plan.fingerprint)
    assert note["arguments"]["stems"] == list(LABELS)
    assert (note["metadata"]["manifest"], note["metadata"]["seed"]) == (plan.digest, 0)
    assert set(note["metadata"]["versions"]) == {"raysep", "torch", "python"}


def test_who_computes_the_parts_of_the_batch_changes_nothing_but_rounding(ray_runtime, plan_to, tmp_path, monkeypatch):
    """An elastic group with room for both processes, and one process in the place of two, as after the loss of a node."""
    two = train(plan_to(tmp_path / "two"), group_in(tmp_path / "two", least_workers=1), ray_runtime)
    monkeypatch.setattr(
        fit, "scaling", lambda group, each: ray.train.ScalingConfig(num_workers=1, resources_per_worker=each)
    )
    one = train(plan_to(tmp_path / "one"), group_in(tmp_path / "one", least_workers=1), ray_runtime)
    assert one.keys() == two.keys()
    for name, value in two.items():
        assert (one[name] - value).abs().max() <= 1e-3 * max(1.0, float(value.abs().max())), name
