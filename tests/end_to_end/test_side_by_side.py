"""Trainings side by side: their weights are those of trainings one after another, whatever happens to them."""

from __future__ import annotations

import json
import os
import pickle
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from raysep.cluster import fit, side_by_side
from raysep.cluster.fit import Group
from raysep.cluster.trainer import Ended
from raysep.corpus.layouts import stems_of
from raysep.errors import RaysepError
from raysep.separators import checkpoint
from raysep.training.entry import Entry
from raysep.training.plan import Plan
from raysep.training.recipe import Recipe
from tests.cluster.drivers import start, until
from tests.end_to_end.processes import descendants, training_processes

pytestmark = [pytest.mark.cluster, pytest.mark.train]

LABELS = ("vocals", "drums", "bass", "other")
STEPS, SAVE = 60, 10
DRIVER = """
import json, pickle, sys
from raysep.cluster import session, side_by_side
with open(sys.argv[1], "rb") as file:
    plans, group = pickle.load(file)
def advance(done, total, text, whole, **more):
    print(json.dumps([text, whole[0]]), flush=True)
with session.session("local", cpus=2) as available:
    side_by_side.train(plans, group, 2, available, advance, lambda text: None)
"""


@pytest.fixture(scope="module")
def stems(corpora):
    return tuple(Entry(stem) for stem in sorted(stems_of(corpora.corpus, LABELS).stems))


def plans_in(folder: Path, stems: tuple[Entry, ...], steps: int = STEPS) -> list[Plan]:
    """Four short trainings of a small network, of two corpora and two seeds."""
    arguments = {"stems": LABELS, "sample_rate": 8000, "channels": 2, "n_fft": 256, "hop": 128, "hidden": 16}
    recipe = Recipe(steps=steps, batch=5, segment_seconds=1.0, save_steps=tuple(range(SAVE, steps, SAVE)))
    return [
        Plan(
            name=f"{name}-seed{seed}",
            stems=entries,
            model="openunmix-joint",
            arguments=arguments,
            recipe=replace(recipe, seed=seed, augment=("gain", "swap", "polarity")),
            out=str(folder / f"{name}-seed{seed}.safetensors"),
            labels=LABELS,
        )
        for seed in (0, 1)
        for name, entries in (("all", stems), ("half", stems[: len(stems) // 2]))
    ]


def group_in(folder: Path, **changes) -> Group:
    return replace(Group(2, 1, 1.0, str(folder / "states"), "group"), **changes)


def weights(folder: Path) -> dict[str, dict]:
    files = sorted(folder.glob("*.safetensors"))
    return {file.stem: checkpoint.from_bytes(file.read_bytes(), file.name).weights for file in files}


def nothing(*told, **more) -> None:
    pass


@pytest.fixture(scope="module")
def one_after_another(ray_runtime, stems, tmp_path_factory) -> dict[str, dict]:
    folder = tmp_path_factory.mktemp("one-after-another")
    side_by_side.train(plans_in(folder, stems), group_in(folder), 1, ray_runtime, nothing, nothing)
    return weights(folder)


def assert_equal(found: dict[str, dict], expected: dict[str, dict]) -> None:
    """Every weight of every checkpoint, bit for bit."""
    assert found.keys() == expected.keys()
    for name, of_one in expected.items():
        assert found[name].keys() == of_one.keys()
        assert all((found[name][key] == value).all() for key, value in of_one.items()), name


@pytest.mark.long
def test_their_weights_are_those_of_trainings_one_after_another(ray_runtime, stems, one_after_another, tmp_path):
    assert len(one_after_another) == 4
    under_way, seen, wholes = set(), [], []

    def advance(done, total, text, whole, **more):
        under_way.add(text)
        wholes.append(whole)
        seen.append(len(training_processes(os.getpid())))

    side_by_side.train(plans_in(tmp_path, stems), group_in(tmp_path), 2, ray_runtime, advance, nothing)
    assert max(seen) == 2
    assert any(" and " in text for text in under_way)
    assert [total for _, total in wholes] == [4 * STEPS] * len(wholes)
    assert_equal(weights(tmp_path), one_after_another)


def states(folder: Path) -> list[Path]:
    """Of each group, Ray Train's note, once it names a state to go on from."""
    notes = (folder / "states").glob("group-*/checkpoint_manager_snapshot.json")
    return [note for note in notes if json.loads(note.read_text() or "{}").get("latest_checkpoint_result")]


@pytest.mark.long
def test_a_killed_driver_of_two_groups_goes_on_from_the_state_of_each(stems, ray_runtime, tmp_path):
    """Long enough to be killed in; the undisturbed ones are trained one after another."""
    calm, folder, told = tmp_path / "calm", tmp_path / "killed", tmp_path / "told"
    side_by_side.train(plans_in(calm, stems, 300), group_in(calm), 1, ray_runtime, nothing, nothing)
    told.write_bytes(pickle.dumps((plans_in(folder, stems, 300), group_in(folder))))

    driver = start(DRIVER, str(told))
    until(lambda: driver.poll() is not None or len(states(folder)) == 2, 300)
    assert driver.poll() is None, driver.communicate()
    for number in (driver.pid, *descendants(driver.pid)):
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    driver.wait()
    assert len(weights(folder)) < 4

    again = start(DRIVER, str(told))
    out, error = again.communicate(timeout=600)
    assert again.returncode == 0, error
    posts = [json.loads(line) for line in out.splitlines() if line.startswith('["')]  # Ray may warn there, too
    # Each group's first post is of a step after its state: ten at least, and ten more until it is posted.
    first = next(whole for text, whole in posts if " and " in text)
    assert first >= 2 * (SAVE + 10)
    assert_equal(weights(folder), weights(calm))


@pytest.mark.long
def test_a_training_that_fails_ends_the_one_beside_it_and_what_is_raised_is_its_own(ray_runtime, stems, tmp_path):
    lost = tuple(replace(entry, stem=replace(entry.stem, uri=f"{entry.stem.uri}.gone")) for entry in stems)
    one, other, *_ = plans_in(tmp_path, stems, 100_000)
    plans = [one, replace(other, stems=lost)]
    with pytest.raises(RaysepError, match="nothing audible to train") as caught:
        side_by_side.train(plans, group_in(tmp_path), 2, ray_runtime, nothing, nothing)
    assert "start the same command again" in str(caught.value)
    until(lambda: not training_processes(os.getpid()))
    assert weights(tmp_path) == {}


def test_a_group_that_is_ended_while_it_waits_for_room_waits_no_longer(ray_runtime, stems, tmp_path):
    """Ray's own would hold its place in the queue until the driver ends, and what it gets there for ever."""
    import ray
    from ray.util import placement_group, placement_group_table, remove_placement_group

    taken = placement_group([{"CPU": 3}])  # all that there is
    ray.get(taken.ready(), timeout=60)
    before, over = set(placement_group_table()), threading.Event()
    new = lambda: [each["state"] for name, each in placement_group_table().items() if name not in before]  # noqa: E731
    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(
            fit.fit, plans_in(tmp_path, stems)[:1], group_in(tmp_path), ray_runtime, nothing, is_over=over.is_set
        )
        try:
            until(lambda: ended.done() or new() == ["PENDING"])
        finally:
            over.set()
        with pytest.raises(Ended):
            ended.result(timeout=60)
    until(lambda: new() == ["REMOVED"])
    remove_placement_group(taken)


@pytest.mark.long
def test_two_groups_where_there_is_room_for_one_end_one_after_the_other(ray_runtime, stems, tmp_path, monkeypatch):
    """Each reserves what the cluster seemed to have for it; meanwhile another job has taken a part of that."""
    from raysep.cluster import elastic

    monkeypatch.setattr(elastic, "PATIENCE", 1.0)
    said, begin = [], time.monotonic()
    share = {"cpus": 2.0}  # of three
    plans = plans_in(tmp_path, stems)[:2]
    side_by_side.train(plans, group_in(tmp_path, share=share), 2, ray_runtime, nothing, said.append)
    assert len(weights(tmp_path)) == 2
    assert any(text.startswith("waiting for 2 CPUs") for text in said), time.monotonic() - begin
