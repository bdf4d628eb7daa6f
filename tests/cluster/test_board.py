from __future__ import annotations

import time

from raysep.cluster.board import board


def test_what_workers_post_reaches_the_driver(ray_runtime):
    import ray

    seen: list[tuple] = []

    def work(progress):
        import ray

        for step in (1, 2, 3):
            ray.get(progress.post.remote("train", step, 3))

    with board(lambda *latest: seen.append(latest), every=0.05) as progress:
        time.sleep(0.2)
        assert seen == []  # nothing was posted yet
        ray.get(ray.remote(work).options(num_cpus=0.1).remote(progress))
        for _ in range(100):
            if seen and seen[-1] == ("train", 3, 3):
                break
            time.sleep(0.05)
    assert seen[-1] == ("train", 3, 3)
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)
    count = len(seen)
    time.sleep(0.2)
    assert len(seen) == count  # the watcher has ended with the block


def test_a_board_that_dies_takes_nothing_with_it(ray_runtime):
    import ray

    with board(lambda *latest: None, every=0.05) as progress:
        ray.kill(progress)
        time.sleep(0.3)


def test_a_standstill_is_told_until_workers_say_that_they_run(ray_runtime, monkeypatch):
    import ray

    from raysep.cluster import elastic

    monkeypatch.setattr(elastic, "PATIENCE", 0.2)
    told: list[str] = []
    with board(lambda *latest: None, lambda: "waiting for 2 CPUs", told.append, every=0.05) as progress:
        time.sleep(0.1)
        until(lambda: told)
        ray.get(progress.run.remote(True))
        time.sleep(0.5)
        assert told == ["waiting for 2 CPUs"]
        ray.get(progress.run.remote(False))  # they died: whoever takes their place waits anew
        until(lambda: len(told) == 2)


def until(holds) -> None:
    for _ in range(200):
        if holds():
            return
        time.sleep(0.05)
    raise AssertionError("did not come about")
