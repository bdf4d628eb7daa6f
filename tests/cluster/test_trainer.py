"""What becomes of an actor that is taken down. That a training ends when it is told to: tests/end_to_end/test_side_by_side.py."""

from __future__ import annotations

import time

import pytest

from raysep.cluster.trainer import _places_of, _take_down


class Waits:
    """Holds a place that there is room for, and waits for one that there is none for."""

    def __init__(self) -> None:
        from ray.util import placement_group

        self.places = [placement_group([{"CPU": cpus}]) for cpus in (0.01, 1000.0)]

    def ids(self) -> list[str]:
        return [place.id.hex() for place in self.places]

    def run(self) -> None:
        time.sleep(600)


def state_of(place: str) -> str:
    from ray.util import placement_group_table

    return placement_group_table()[place]["state"]


def until(holds) -> None:
    for _ in range(200):
        if holds():
            return
        time.sleep(0.05)
    raise AssertionError("did not come about")


def test_who_is_taken_down_gives_back_what_it_holds_and_what_it_waits_for_and_no_one_elses(ray_runtime):
    import ray

    one, other = (ray.remote(Waits).options(num_cpus=0).remote() for _ in range(2))
    own, others = ray.get([one.ids.remote(), other.ids.remote()])
    assert sorted(place.id.hex() for place in _places_of(one)) == sorted(own)
    assert state_of(own[1]) == "PENDING"

    run = one.run.remote()
    _take_down(one, run)
    with pytest.raises(ray.exceptions.RayActorError):
        ray.get(run, timeout=60)
    until(lambda: {state_of(place) for place in own} == {"REMOVED"})
    assert "REMOVED" not in {state_of(place) for place in others}
    _take_down(other, other.run.remote())
