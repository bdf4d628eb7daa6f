from __future__ import annotations

from raysep.doing import Doing


def told(*events: tuple[str, dict]) -> dict:
    doing = Doing()
    for kind, facts in events:
        doing(kind, facts)
    return doing.facts()


def test_what_is_under_way_and_by_how_many():
    found = told(
        ("stage-begun", {"stage": "round-1"}),
        ("stage-begun", {"stage": "score"}),
        ("pool-resized", {"workers": 4}),
        ("progress", {"stage": "score", "done": 3, "total": 8}),
    )
    assert found.pop("at") > 0
    assert found == {"stages": ["round-1", "score"], "stage": "score", "done": 3, "total": 8, "workers": 4}


def test_a_stage_that_is_over_is_not_under_way():
    begun = ("stage-begun", {"stage": "score"})
    work = [begun, ("pool-resized", {"workers": 2}), ("progress", {"done": 1})]
    assert told(*work, ("stage-ended", {"stage": "score"})) == {}
    assert told(*work, ("stage-left", {"stage": "score"})) == {}


def test_a_group_that_comes_or_goes_beside_another_is_no_change_of_a_size():
    begun = (("stage-begun", {"stage": "retrain"}), ("groups-changed", {"workers": 1}), ("progress", {"done": 1}))
    both = (*begun, ("groups-changed", {"workers": 2}))
    assert told(*both)["workers"] == 2
    assert "resizes" not in told(*both, ("progress", {"done": 2}), ("groups-changed", {"workers": 1}))


def test_what_went_wrong_is_counted_over_all_stages():
    assert told(
        ("stage-begun", {"stage": "score"}),
        ("pool-resized", {"workers": 1}),
        ("pool-resized", {"workers": 2}),
        ("shard-done", {"failed": 2}),
        ("shard-done", {"failed": 0}),
        ("shard-done", {"failed": 3}),
        ("worker-died", {}),
        ("shard-retried", {}),
        ("shard-retried", {}),
        ("pool-resized", {"workers": 3}),
        ("stage-ended", {"stage": "score"}),
    ) == {"failed": 5, "deaths": 1, "retries": 2, "resizes": 1}
