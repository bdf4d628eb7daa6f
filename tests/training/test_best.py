from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from raysep.separators import checkpoint
from raysep.training.best import Best, write


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def run(best: Best, values: dict[int, float], done: dict[int, float] | None = None) -> None:
    """Validations at steps, their checkpoints being their steps as text."""
    history = dict(done or {})
    for step, value in values.items():
        history[step] = value
        ranking = sorted(history, key=lambda s: (-history[s], s))[: best.keep]
        best.note(ranking, step, lambda step=step: str(step).encode())


def test_the_best_one_is_the_result_while_training_goes_on(tmp_path):
    best = Best(str(tmp_path / "x.safetensors"), keep=1)
    run(best, {5: 1.0})
    assert files(tmp_path) == {"x.safetensors": b"5"}
    run(best, {10: 3.0, 15: 2.0}, {5: 1.0})
    assert files(tmp_path) == {"x.safetensors": b"10"}


def test_the_best_few_are_kept_by_step_and_nobody_elses_file_goes(tmp_path):
    (tmp_path / "x-steps.safetensors").write_bytes(b"other")
    (tmp_path / "xx-step5.safetensors").write_bytes(b"other")
    (tmp_path / "x-step3.safetensors").write_bytes(b"from a timeline that a kill ended")
    best = Best(str(tmp_path / "x.safetensors"), keep=2)
    run(best, {5: 1.0, 10: 3.0, 15: 2.0, 20: 0.5})
    best.finish([10, 15])
    assert files(tmp_path) == {
        "x.safetensors": b"10",
        "x-step10.safetensors": b"10",
        "x-step15.safetensors": b"15",
        "x-steps.safetensors": b"other",
        "xx-step5.safetensors": b"other",
    }


@pytest.mark.parametrize("keep", [1, 3])
def test_a_training_that_goes_on_from_a_state_ends_with_the_same_files(tmp_path, keep):
    values = {5: 1.0, 10: 4.0, 15: 2.0, 20: 9.0, 25: 3.0}
    whole = Best(str(tmp_path / "whole" / "x.safetensors"), keep)
    run(whole, values)
    whole.finish(sorted(values, key=lambda s: -values[s])[:keep])

    first = Best(str(tmp_path / "again" / "x.safetensors"), keep)
    run(first, {5: 1.0, 10: 4.0})
    held = dict(first.held)
    run(first, {15: 99.0}, {5: 1.0, 10: 4.0})  # written after the state: must not survive
    second = Best(first.out, keep, held)
    run(second, {step: values[step] for step in (15, 20, 25)}, {5: 1.0, 10: 4.0})
    second.finish(sorted(values, key=lambda s: -values[s])[:keep])
    assert files(tmp_path / "again") == files(tmp_path / "whole")


def test_the_result_is_right_when_the_best_one_was_before_the_kill(tmp_path):
    best = Best(str(tmp_path / "x.safetensors"), 1, {10: b"10"})
    (tmp_path / "x.safetensors").write_bytes(b"of a later step that was lost")
    best.note([10], 15, lambda: pytest.fail("not among the best"))
    best.finish([10])
    assert files(tmp_path) == {"x.safetensors": b"10"}


def test_files_in_an_object_store(s3_server):
    import boto3

    from raysep.corpus import storage

    boto3.client("s3").create_bucket(Bucket="best")
    best = Best("s3://best/run/x.safetensors", keep=1)
    run(best, {5: 1.0, 10: 2.0})
    best = Best("s3://best/run/y.safetensors", keep=2)
    run(best, {5: 1.0, 10: 2.0, 15: 3.0})
    names = [info.path for info in storage.list_files("s3://best/run")]
    assert names == [f"best/run/{n}.safetensors" for n in ("x", "y-step10", "y-step15", "y")]
    assert storage.read_bytes("s3://best/run/y.safetensors") == b"15"


def test_a_checkpoint_is_written_with_its_facts_beside_it_and_goes_with_them(tmp_path):
    made = checkpoint.Checkpoint("openunmix", {"stems": ["a"]}, {"w": torch.ones(3)}, step=5, metadata={"seed": 7})
    best = Best(str(tmp_path / "x.safetensors"), keep=2, write=write)
    best.note([5], 5, lambda: checkpoint.to_bytes(made))
    assert set(files(tmp_path)) == {"x.safetensors", "x.json", "x-step5.safetensors", "x-step5.json"}
    note = json.loads((tmp_path / "x-step5.json").read_text())
    assert (note["model"], note["arguments"], note["step"]) == ("openunmix", {"stems": ["a"]}, 5)
    assert (note["parameters"], note["metadata"]) == (3, {"seed": 7})

    write(best.out, checkpoint.to_bytes(made), fingerprint="abc")
    assert json.loads((tmp_path / "x.json").read_text()) == {"fingerprint": "abc"} | note
    best.note([10, 5], 10, lambda: checkpoint.to_bytes(made))
    best.note([15, 10], 15, lambda: checkpoint.to_bytes(made))
    names = {f"x{step}.{kind}" for step in ("", "-step10", "-step15") for kind in ("safetensors", "json")}
    assert set(files(tmp_path)) == names
