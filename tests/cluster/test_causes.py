from __future__ import annotations

import pytest

from raysep.cluster.causes import SHORT, last_line, storage_error
from raysep.errors import BadInput, StorageRefused, StorageUnreachable

AWAY = StorageUnreachable("s3://b/k: storage cannot be reached (tried for 150 s)")


class Wrapped(Exception):
    def __init__(self, text: str, cause: BaseException) -> None:
        super().__init__(text)
        self.cause = cause


def test_it_is_found_as_a_cause_however_deep():
    assert storage_error(AWAY) is AWAY
    assert storage_error(Wrapped("a task failed", Wrapped("a udf failed", AWAY))) is AWAY
    later = ValueError("x")
    later.__cause__ = AWAY
    assert storage_error(later) is AWAY


@pytest.mark.parametrize("kind", [StorageUnreachable, StorageRefused])
def test_it_is_found_in_a_text_that_is_all_there_is(kind):
    text = f"Traceback …\n  File x\nraysep.errors.{kind.__name__}: s3://b/k: no ([Errno 5] x): more\nat 12:00\n"
    found = storage_error(RuntimeError(text))
    assert (type(found), str(found)) == (kind, "s3://b/k: no ([Errno 5] x): more")


def test_other_errors_are_not_the_storages():
    for error in (None, ValueError("StorageUnreachable"), BadInput("raysep.errors.BadInput: s3://b/k")):
        assert storage_error(error) is None


def test_the_last_line_is_what_an_error_says():
    assert last_line(RuntimeError("Traceback …\n  File x\n\nValueError: 3 is none\n\n")) == "ValueError: 3 is none"
    assert last_line(RuntimeError("")) == ""


def test_a_worker_that_memory_ran_out_for_is_said_to_be_one():
    from ray.exceptions import OutOfMemoryError
    from ray.train.v2.api.exceptions import WorkerGroupError

    ended = OutOfMemoryError("1 worker(s) were killed due to the node running low on memory. Top 10 …\nRefer to …")
    group = WorkerGroupError("[Rank 0] …", {0: ended})
    # As Ray 2.60 says it of an actor that was not up yet.
    actor = RuntimeError("Memory on the node … was 5.65GB used\nOOM kill reason: Memory usage … exceeded …\nRefer to …")
    for error in (ended, OutOfMemoryError(""), Wrapped("a task failed", ended), group, actor):
        assert last_line(error) == SHORT
    assert last_line(WorkerGroupError("[Rank 0]\nno audible vocals", {0: ValueError("x")})) == "no audible vocals"


def test_what_ray_makes_of_it_in_another_process(ray_runtime):
    import ray
    from ray import cloudpickle

    def away():
        from raysep.errors import StorageUnreachable

        raise StorageUnreachable("s3://b/k: away")

    with pytest.raises(ray.exceptions.RayTaskError) as told:
        ray.get(ray.remote(away).options(num_cpus=0.1).remote())
    for error in (told.value, cloudpickle.loads(cloudpickle.dumps(told.value)), RuntimeError(str(told.value))):
        found = storage_error(error)
        assert (type(found), str(found)) == (StorageUnreachable, "s3://b/k: away")
