from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from raysep.commands.evaluate import models
from raysep.errors import BadInput


@pytest.fixture
def run(make_context, save_network) -> Path:
    """A run folder with two seeds of an arm, one of another, and a separator that only scores."""
    context = make_context()
    for number, name in enumerate(("cleaned-seed0", "cleaned-seed1", "contaminated-seed0", "probe-final")):
        save_network(context, name, steps=1, seed=number)
    return Path(context.run.root)


def named(found) -> list[tuple[str, int | None]]:
    return [(each.name, each.seed) for each in found]


def test_a_run_is_its_arms_and_seeds(run):
    found = models.find([str(run)])
    assert named(found) == [("cleaned", 0), ("cleaned", 1), ("contaminated", 0)]
    assert found[0].stems == ("vocals", "drums", "bass", "other")
    assert found[0].uri == str(run / "checkpoints" / "cleaned-seed0.safetensors")
    assert len({each.digest for each in found}) == 3
    assert found[0].network["arguments"]["sample_rate"] == 8000
    assert json.loads(json.dumps([each.to_dict() for each in found]))[0]["name"] == "cleaned"


def test_a_checkpoint_goes_by_its_name(run, tmp_path):
    file = shutil.copy(run / "checkpoints" / "probe-final.safetensors", tmp_path / "mine.safetensors")
    assert named(models.find([str(file)])) == [("mine", None)]
    # An arm's checkpoint by itself is that arm; given twice, and with its run, it counts once.
    lone = str(run / "checkpoints" / "cleaned-seed1.safetensors")
    assert named(models.find([lone, lone])) == [("cleaned", 1)]
    assert named(models.find([lone, str(run)])) == [("cleaned", 1), ("cleaned", 0), ("contaminated", 0)]


def test_arms_of_one_name_are_told_apart_by_their_runs(run, tmp_path):
    other = tmp_path / "second"
    (other / "checkpoints").mkdir(parents=True)
    shutil.copy(run / "checkpoints" / "cleaned-seed0.safetensors", other / "checkpoints")
    found = models.find([str(run), str(other)])
    assert named(found) == [("run/cleaned", 0), ("run/cleaned", 1), ("contaminated", 0), ("second/cleaned", 0)]
    twin = tmp_path / "deeper" / "second"
    shutil.copytree(other, twin)
    with pytest.raises(BadInput, match=r"second.* and .*second.*: both would be called 'second/cleaned'"):
        models.find([str(other), str(twin)])


@pytest.mark.parametrize("other", ["umx-seed0", "umx-seed1"])
def test_a_checkpoint_without_a_seed_is_no_seed_of_its_namesake(run, tmp_path, other):
    bare, seeded = (str(tmp_path / f"{name}.safetensors") for name in ("umx", other))
    shutil.copy(run / "checkpoints" / "cleaned-seed0.safetensors", bare)
    shutil.copy(run / "checkpoints" / "contaminated-seed0.safetensors", seeded)
    with pytest.raises(BadInput, match=rf"umx\.safetensors and .*{other}\.safetensors: both would .*one of the files"):
        models.find([bare, seeded])
    assert named(models.find([bare])) == [("umx", None)]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    moved = shutil.move(seeded, elsewhere)
    assert named(models.find([bare, moved])) == [(f"{tmp_path.name}/umx", None), ("elsewhere/umx", int(other[-1]))]


def test_two_checkpoints_of_one_arm_and_seed_are_refused(run):
    shutil.copy(run / "checkpoints" / "probe-final.safetensors", run / "checkpoints" / "cleaned-seed00.safetensors")
    with pytest.raises(BadInput, match=r"cleaned-seed0\.safetensors and .*cleaned-seed00\.safetensors: both would be"):
        models.find([str(run)])


def test_no_checkpoint_passes_for_the_baseline(run, tmp_path):
    folder = tmp_path / "models"
    folder.mkdir()
    file = shutil.copy(run / "checkpoints" / "probe-final.safetensors", folder / "mixture.safetensors")
    assert named(models.find([str(file)])) == [("models/mixture", None)]
    assert models.baseline(["vocals"]).name == "mixture"


@pytest.mark.parametrize("place", ["nowhere", "empty", "notes.txt"])
def test_what_holds_no_separator_is_named(tmp_path, place):
    (tmp_path / "empty" / "checkpoints").mkdir(parents=True)
    (tmp_path / "empty" / "checkpoints" / "probe-final.safetensors").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("no folder")
    with pytest.raises(BadInput, match=rf"{place}: no separator here; give a checkpoint"):
        models.find([str(tmp_path / place)])


def test_a_missing_or_broken_checkpoint_is_named(tmp_path):
    with pytest.raises(BadInput, match=r"gone\.safetensors: no such checkpoint"):
        models.find([str(tmp_path / "gone.safetensors")])
    (tmp_path / "broken.safetensors").write_bytes(b"no tensors")
    with pytest.raises(BadInput, match=r"broken\.safetensors: not a raysep checkpoint"):
        models.find([str(tmp_path / "broken.safetensors")])
