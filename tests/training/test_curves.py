from __future__ import annotations

from types import SimpleNamespace

import pytest

from raysep.training import curves
from raysep.training.curves import Curves
from raysep.training.recipe import Recipe


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on by as much as is added to it."""
    at = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(curves.time, "perf_counter", lambda: at.seconds)
    return at


@pytest.fixture
def events(monkeypatch):
    """What would be in the event files."""
    found: list[tuple[int, dict]] = []
    fake = SimpleNamespace(add=lambda step, figures: found.append((step, figures)))
    monkeypatch.setattr(curves, "Events", lambda uri, step: found.append((step, {"opened": uri})) or fake)
    return found


def curves_of(posts: list, steps: int = 25, folder: str = "/run/tensorboard") -> Curves:
    plan = SimpleNamespace(name="separator-seed0", recipe=Recipe(steps=steps, batch=6))
    training = SimpleNamespace(optimiser=SimpleNamespace(param_groups=[{"lr": 0.25}]))
    post = SimpleNamespace(remote=lambda *values: posts.append(values))
    return Curves(plan, folder, 0, training, SimpleNamespace(post=post), workers=2)


def test_every_ten_steps_and_at_the_end_there_is_a_point_of_what_was_since_the_last(clock, events):
    posts: list = []
    shown = curves_of(posts)
    for step in range(1, 26):
        clock.seconds += 0.5
        shown.on_step(step, float(step))
    assert posts == [("separator-seed0", step, 25, 2) for step in (10, 20, 25)]
    assert events[0] == (0, {"opened": "/run/tensorboard/separator-seed0"})
    assert [(step, figures["training/loss"]) for step, figures in events[1:]] == [(10, 5.5), (20, 15.5), (25, 23.0)]
    assert all(figures["training/segments_per_second"] == 6 / 0.5 for _, figures in events[1:])
    assert all(figures["training/learning_rate"] == 0.25 for _, figures in events[1:])


def test_validation_is_in_the_curves_and_not_in_the_rate_of_training(clock, events):
    shown = curves_of([])
    for step in range(1, 11):
        clock.seconds += 0.5
        if step == 5:
            clock.seconds += 100.0
            shown.on_validate(5, {"validation/mean": 3.0}, 100.0)
        shown.on_step(step, 1.0)
    assert events[1] == (5, {"validation/mean": 3.0})
    assert events[2][1]["training/segments_per_second"] == 12.0


def test_without_a_folder_only_the_bar_moves(clock, events):
    posts: list = []
    shown = curves_of(posts, steps=1, folder="")
    shown.on_step(1, 1.0)
    shown.on_validate(1, {"validation/mean": 1.0}, 1.0)
    shown.save()
    shown.close()
    assert posts == [("separator-seed0", 1, 1, 2)]
    assert events == []
