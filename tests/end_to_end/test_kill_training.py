"""Training processes that are killed: the weights at the end are those of a training that nothing disturbed."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
import ray.train

from raysep.cluster import fit
from raysep.cluster.fit import Group
from raysep.corpus.layouts import stems_of
from raysep.separators import checkpoint
from raysep.stages.train import measure
from raysep.training.entry import Entry
from raysep.training.plan import Plan
from raysep.training.recipe import Recipe
from tests.end_to_end.processes import training_processes

pytestmark = pytest.mark.cluster

LABELS = ("vocals", "drums", "bass", "other")
STEPS, SAVE, VALIDATE = 120, 10, 30


@pytest.fixture(scope="module")
def plan_to(corpora):
    """plan_to(out): a short training of a small network on the session's songs, from a pool that they do not fit into.

    Every validated state is kept, so that weights of four steps are compared, the last one's among them.
    """
    stems = stems_of(corpora.corpus, LABELS).stems
    tracks = stems_of(corpora.test, LABELS).stems

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
                validate_every=VALIDATE,
                keep_best=STEPS // VALIDATE,
            ),
            out=str(out / "weights.safetensors"),
            labels=LABELS,
            validation=tuple(sorted(tracks)),
        )

    return make


def group_in(folder: Path, **changes) -> Group:
    # 2 MiB of audio for each part, whose songs take 3.7: the position in the stream is part of the state.
    fixed = Group(
        workers=2, threads=1, memory_gib=2**-9, storage_path=str(folder / "states"), name="group", measure=measure
    )
    return replace(fixed, **changes)


def train(plan: Plan, group: Group, available, on_progress=lambda name, done, total: None) -> dict[str, dict]:
    """The weights of every checkpoint, by the file's name."""
    fit.fit([plan], group, available, on_progress)
    files = sorted(Path(plan.out).parent.glob("*.safetensors"))
    return {file.name: checkpoint.from_bytes(file.read_bytes(), file.name).weights for file in files}


@pytest.fixture(scope="module")
def calm(ray_runtime, plan_to, tmp_path_factory):
    """(weights, plan) of a training that nothing disturbed."""
    folder = tmp_path_factory.mktemp("calm")
    plan = plan_to(folder)
    return train(plan, group_in(folder), ray_runtime), plan


def assert_equal(found: dict[str, dict], expected: dict[str, dict]) -> None:
    """Every weight of every checkpoint, bit for bit."""
    assert found.keys() == expected.keys()
    for name, weights in expected.items():
        assert found[name].keys() == weights.keys()
        assert all((found[name][key] == value).all() for key, value in weights.items()), name


def note_of(plan: Plan) -> dict:
    return json.loads(Path(plan.out).with_suffix(".json").read_text())


class Killer:
    """Kills one of the training processes, without warning, soon after a step of its own choice."""

    def __init__(self, steps: list[int], rng: random.Random) -> None:
        self.steps, self.rng = sorted(steps), rng
        self.victims: list[int] = []
        self.killed_at: list[int] = []
        self.went_on_at: list[int] = []

    def __call__(self, name: str, done: int, total: int) -> None:
        if len(self.went_on_at) < len(self.killed_at):
            if done == self.killed_at[-1]:
                return  # the last post of those that were killed
            self.went_on_at.append(done)
        if self.steps and done >= self.steps[0]:
            self.steps.pop(0)
            time.sleep(self.rng.uniform(0, 0.5))  # steps are posted by tens; it is not always the tenth
            victim = self.rng.choice(training_processes(os.getpid()))
            os.kill(victim, signal.SIGKILL)
            self.victims.append(victim)
            self.killed_at.append(done)


@pytest.mark.parametrize("kills", [1, pytest.param(3, marks=pytest.mark.long)])
def test_a_worker_that_is_killed_leaves_the_weights_as_they_were(calm, ray_runtime, plan_to, tmp_path, kills):
    undisturbed, calm_plan = calm
    rng = random.Random(3)
    # One in each third of the training, the last one while there is still something to do; one alone after a state.
    thirds = range(0, STEPS, STEPS // 3) if kills == 3 else [STEPS // 3]
    killer = Killer([rng.randrange(third, third + STEPS // 4) for third in thirds], rng)
    plan = plan_to(tmp_path)
    disturbed = train(plan, group_in(tmp_path), ray_runtime, killer)
    assert len(set(killer.victims)) == kills
    assert killer.killed_at[-1] < STEPS
    # From the last state that had been noted, not from the start. (What comes after the last kill may be seen by nobody.)
    assert len(killer.went_on_at) >= max(1, kills - 1)
    later = zip(killer.went_on_at, killer.killed_at, strict=False)
    assert all(went_on >= killed - 3 * SAVE for went_on, killed in later)

    names = {f"weights{step}.safetensors" for step in ("", "-step30", "-step60", "-step90", f"-step{STEPS}")}
    assert set(disturbed) == names
    assert_equal(disturbed, undisturbed)
    assert note_of(plan)["validations"] == note_of(calm_plan)["validations"]
    assert [step for step, _ in note_of(plan)["validations"]] == [30, 60, 90, STEPS]


@pytest.mark.long
def test_who_computes_the_parts_of_the_batch_changes_nothing(calm, ray_runtime, plan_to, tmp_path, monkeypatch):
    """One process in the place of two. A sum of two gradients has no order: not even the rounding changes."""
    undisturbed, _ = calm
    monkeypatch.setattr(
        fit, "scaling", lambda group, each: ray.train.ScalingConfig(num_workers=1, resources_per_worker=each)
    )
    seen: list[int] = []
    alone = train(
        plan_to(tmp_path), group_in(tmp_path), ray_runtime, lambda *_: seen.append(len(training_processes(os.getpid())))
    )
    assert max(seen) == 1
    assert_equal(alone, undisturbed)
