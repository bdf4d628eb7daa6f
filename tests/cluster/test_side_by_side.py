"""The threads and what they are told; no worker is started. That nothing else comes out: tests/end_to_end."""

from __future__ import annotations

import signal
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from raysep import events, stopping
from raysep.cluster import fit, side_by_side
from raysep.cluster.fit import Group
from raysep.corpus import storage
from raysep.corpus.manifest import Stem
from raysep.errors import RaysepError, StorageUnreachable
from raysep.resources import Resources
from raysep.training.entry import Entry
from raysep.training.plan import Plan, sidecar_of
from raysep.training.recipe import Recipe

SECOND = Entry(Stem("t/bass", "t", "bass", "/no", 8000, 1, 8000, "WAV/PCM_16", 16044, ""))
MACHINE = Resources(2.0, 0.0, 1)


@pytest.fixture
def plans(tmp_path):
    """Four trainings of as many steps."""
    arguments = {"sample_rate": 8000, "channels": 1}
    return [
        Plan(f"p{k}", (SECOND,), "openunmix", arguments, Recipe(300, seed=k), str(tmp_path / f"p{k}.safetensors"))
        for k in range(4)
    ]


@pytest.fixture
def group(tmp_path):
    return Group(workers=2, threads=1, memory_gib=1.0, storage_path=str(tmp_path / "states"), name="retrain-abc")


class Fits:
    """In the place of ``fit.fit``: what it was called for, and what it then does, by the name of the first plan."""

    def __init__(self, **does) -> None:
        self.does, self.calls = does, []
        self.meeting = threading.Barrier(2, timeout=60)

    def __call__(self, plans, group, available, on_progress, on_wait, on_resize=None, is_over=lambda: False) -> None:
        self.calls.append(([plan.name for plan in plans], group))
        told = SimpleNamespace(progress=on_progress, wait=on_wait, resize=on_resize, is_over=is_over, fits=self)
        if act := self.does.get(plans[0].name):
            act(told)


@pytest.fixture
def run(monkeypatch, plans, group):
    """run(fits, asked): what is said, and what ``advance`` is told."""

    def train(fits, asked=0, group=group, plans=plans):
        said, far = [], []
        monkeypatch.setattr(fit, "fit", fits)
        advance = lambda *told, **more: far.append((*told, more["whole"]))  # noqa: E731
        side_by_side.train(plans, group, asked, MACHINE, advance, said.append)
        return said, far

    return train


def trained(plan) -> None:
    storage.write_bytes(sidecar_of(plan.out), b'{"fingerprint": "%s"}' % plan.fingerprint.encode())


def meet(told) -> None:
    told.fits.meeting.wait()


def test_two_groups_train_at_the_same_time_in_one_process_each(run, group):
    fits = Fits(p0=meet, p1=meet)  # each waits for the other
    run(fits)
    names, groups = zip(*sorted(fits.calls, key=lambda call: call[0]), strict=True)
    assert names == (["p0", "p2"], ["p1", "p3"])
    assert [(one.workers, one.processes, one.abreast, one.fewest) for one in groups] == [(2, 1, 2, 1)] * 2
    assert len({one.name for one in groups}) == 2
    assert all(one.name.startswith(f"{group.name}-") for one in groups)


def test_one_after_another_is_one_group_in_this_thread_named_as_ever(run, group, plans):
    threads = []
    fits = Fits(p0=lambda told: threads.append(threading.current_thread()))
    run(fits, asked=1)
    assert fits.calls == [([plan.name for plan in plans], group)]
    assert threads == [threading.current_thread()]


@pytest.mark.parametrize("changes", [{"workers": 4}, {"workers": 1}, {"least_workers": 1}, {"memory_gib": 1e-9}])
def test_where_it_would_change_something_or_not_fit_it_is_one_group(run, group, changes):
    fits = Fits()
    run(fits, group=replace(group, **changes))
    ((names, one),) = fits.calls
    assert (len(names), one.processes) == (4, 0)


def test_who_asks_for_more_than_fits_is_told(run, group):
    said, _ = run(Fits(), asked=2, group=replace(group, memory_gib=1e-9))
    assert said == ["1 at a time, not 2: the audio of more does not fit into training.memory_gib"]
    assert run(Fits(), asked=2)[0] == []


def test_a_groups_name_is_that_of_its_own_plans_and_stays_when_some_are_trained(run, plans):
    first, again = Fits(), Fits()
    run(first)
    trained(plans[1])
    run(again)
    key = lambda call: call[0]  # noqa: E731
    assert sorted(again.calls, key=key) == sorted(first.calls, key=key)


def test_a_group_of_which_all_is_trained_is_not_started(run, plans):
    trained(plans[0])
    trained(plans[2])
    fits = Fits(p1=lambda told: told.progress("p1", 4, 300))
    _, far = run(fits)
    assert [names for names, _ in fits.calls] == [["p1", "p3"]]
    assert far == [(4, 300, "p1", (604, 1200))]


def test_the_first_that_fails_ends_the_others_and_is_what_is_raised(run):
    ended = []

    def goes_on(told) -> None:
        meet(told)
        while not told.is_over():
            time.sleep(0.01)
        ended.append(True)
        raise RuntimeError("the actor died")  # what Ray makes of a group that is killed

    def fails(told) -> None:
        meet(told)
        raise RaysepError("training failed (step 3: the loss is nan)")

    with pytest.raises(RaysepError, match="step 3: the loss is nan"):
        run(Fits(p0=goes_on, p1=fails))
    assert ended == [True]


def test_a_storage_that_is_away_ends_all_with_its_own_error(run):
    def fails(told) -> None:
        meet(told)
        raise StorageUnreachable("s3://music: no answer")

    with pytest.raises(StorageUnreachable, match="no answer"):
        run(Fits(p0=fails, p1=fails))


@pytest.fixture
def interruptible():
    """As in a terminal: what a shell starts in the background is deaf to interrupts, and so is what that starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_ends_every_group_at_once(run):
    ended = []

    def goes_on(told) -> None:
        meet(told)
        while not told.is_over():
            time.sleep(0.01)
        ended.append(True)

    def interrupts(told) -> None:
        meet(told)
        time.sleep(0.1)  # the main thread is waiting by then
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        while not told.is_over():
            time.sleep(0.01)
        ended.append(True)

    with pytest.raises(KeyboardInterrupt):
        run(Fits(p0=goes_on, p1=interrupts))
    assert ended == [True, True]


def test_an_interrupt_before_the_last_group_has_begun_ends_those_that_have(run, monkeypatch):
    ended, start = [], threading.Thread.start

    def interrupted(thread) -> None:
        if thread.name == "group-1":
            raise KeyboardInterrupt
        start(thread)

    def goes_on(told) -> None:
        while not told.is_over():
            time.sleep(0.01)
        ended.append(True)

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(Fits(p0=goes_on))
    assert ended == [True]


def test_a_command_that_is_told_to_end_has_ended_before_its_groups_are_given_up():
    """Else its runtime would be shut down beneath them, and started anew by what they then do."""
    assert side_by_side.ENDING > stopping.GRACE


def test_a_group_that_does_not_end_is_not_waited_for_long(run, monkeypatch):
    monkeypatch.setattr(side_by_side, "ENDING", 0.05)
    free = threading.Event()

    def hangs(told) -> None:
        meet(told)
        free.wait(60)

    def fails(told) -> None:
        meet(told)
        raise RaysepError("broken")

    with pytest.raises(RaysepError, match="broken"):
        run(Fits(p0=hangs, p1=fails))
    assert not free.is_set()
    free.set()


def test_what_both_wait_for_is_said_once(run):
    def waits(told) -> None:
        told.wait("waiting for 1 CPU")
        meet(told)

    assert run(Fits(p0=waits, p1=waits))[0] == ["waiting for 1 CPU"]


def test_groups_that_come_and_go_are_told_as_that(run):
    told = []

    def works(told) -> None:
        told.resize(1)
        meet(told)

    with events.listening(lambda kind, facts: told.append((kind, facts["workers"]))):
        run(Fits(p0=works, p1=works))
    assert told == [("groups-changed", 1), ("groups-changed", 2), ("groups-changed", 1)]


def test_a_note_that_ray_cannot_read_is_forgotten_and_that_is_said(run, group):
    fits = Fits()
    run(fits)
    for _, one in fits.calls:
        storage.write_bytes(storage.join(one.storage_path, one.name, "checkpoint_manager_snapshot.json"), b'{"half')
    said, _ = run(Fits())
    assert said == [f"the states in {group.storage_path} could not be read: it begins again"]
    assert run(Fits())[0] == []
