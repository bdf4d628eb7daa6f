"""`raysep train`: what it leaves, and that neither a killed driver nor a lost node changes it."""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import torch

import raysep
from raysep import pipeline
from raysep.corpus import manifest
from raysep.corpus.layouts import stems_of
from raysep.rundir import Run
from raysep.separators import checkpoint
from tests.end_to_end.processes import RAY, descendants, free_port, training_processes

pytestmark = pytest.mark.cluster
disturbed = pytest.mark.xdist_group("train")  # of its own: most of its time goes to processes that it starts itself

LABELS = ("vocals", "drums", "bass", "other")
STEPS = 400  # seconds of training after the first state: long enough to be killed in
FEW = 40  # of a training that nobody disturbs
NAME = "separator-seed0"


def settings_of(steps: int) -> dict[str, int]:
    """Of a training that is saved ten times, validated four times, and keeps all that it validates."""
    sizes = {"steps": steps, "save_every": steps // 10, "validate_every": steps // 4}
    return {**sizes, "keep_best": 4, "least_workers": 1}


@pytest.fixture(scope="module")
def command(corpora):
    """command(out, …): the command line of a short training that is validated; ``more`` are further options."""
    corpus = [corpora.corpus, "--validation", corpora.test, "--preset", "smallest", "--quiet"]
    settings = [word for name, value in settings_of(STEPS).items() for word in ("--set", f"training.{name}={value}")]

    def make(out: Path, *more: str) -> list[str]:
        return [sys.executable, "-m", "raysep.cli", "train", *corpus, "--out", str(out), *settings, *more]

    return make


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    return {**os.environ, "RAY_ADDRESS": "local", "RAYSEP_SHARED_FOLDERS": "1"}


@pytest.fixture(scope="module")
def trained(corpora, ray_runtime, tmp_path_factory):
    """trained(steps): the same training in this process, of so many steps."""

    def make(steps: int) -> Run:
        request = pipeline.Request(
            corpus=corpora.corpus,
            reference=None,
            test=None,
            validation=corpora.test,
            out=str(tmp_path_factory.mktemp("trained") / "run"),
            preset="smallest",
            overrides={"training": settings_of(steps)},
            quiet=True,
        )
        return pipeline.train(request)

    return make


@pytest.fixture(scope="module")
def undisturbed(trained) -> Run:
    return trained(STEPS)


def weights(folder: Path) -> dict[str, dict[str, torch.Tensor]]:
    """Of every checkpoint of a run, by the file's name."""
    files = sorted((folder / "checkpoints").glob("*.safetensors"))
    return {file.name: checkpoint.from_bytes(file.read_bytes(), file.name).weights for file in files}


def assert_equal(folder: Path, run: Run) -> None:
    """Every weight of every checkpoint, bit for bit."""
    found, expected = weights(folder), weights(Path(run.root))
    assert found.keys() == expected.keys()
    for name in expected:
        assert all((found[name][key] == value).all() for key, value in expected[name].items()), name


def wait_for(condition, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 180
    while not condition():
        assert process.poll() is None, f"ended too soon: {process.returncode}"
        assert time.monotonic() < deadline
        time.sleep(0.05)


def can_go_on(folder: Path) -> bool:
    """Whether Ray Train's note names a state to go on from: a moment after the state itself is there."""
    notes = (folder / "training").glob("retrain-*/checkpoint_manager_snapshot.json")
    return any(json.loads(note.read_text() or "{}").get("latest_checkpoint_result") for note in notes)


# What it leaves


def test_beside_every_checkpoint_its_facts_can_be_read(trained, corpora):
    run = trained(FEW)
    folder = Path(run.root) / "checkpoints"
    stems = stems_of(corpora.corpus, LABELS).stems
    quarters = [FEW // 4 * k for k in (1, 2, 3, 4)]
    names = [NAME, *(f"{NAME}-step{step}" for step in quarters)]
    assert sorted(p.name for p in folder.iterdir()) == sorted(
        f"{name}.{kind}" for name in names for kind in ("safetensors", "json")
    )
    notes = {name: json.loads((folder / f"{name}.json").read_text()) for name in names}
    for name, note in notes.items():
        assert note["model"] == "openunmix-joint"
        assert (note["arguments"]["stems"], note["arguments"]["sample_rate"]) == (list(LABELS), 8000)
        about = note["metadata"]
        assert set(about["metrics"]) == {f"validation/{figure}" for figure in ("mean", *LABELS)}
        figures = [about["metrics"][f"validation/{label}"] for label in LABELS]
        assert about["metrics"]["validation/mean"] == pytest.approx(sum(figures) / 4)
        assert about["manifest"] == manifest.digest(stems)
        assert about["seed"] == 1000  # of the first of the proof's seeds
        assert about["versions"] == {
            "raysep": raysep.__version__,
            "torch": str(torch.__version__),
            "python": platform.python_version(),
        }
        stored = checkpoint.from_bytes((folder / f"{name}.safetensors").read_bytes(), name)
        assert checkpoint.sidecar(stored) == {key: note[key] for key in checkpoint.sidecar(stored)}
    history = dict(notes[NAME]["validations"])
    assert list(history) == quarters
    assert history == {step: notes[f"{NAME}-step{step}"]["metadata"]["metrics"]["validation/mean"] for step in quarters}
    assert notes[NAME]["step"] == max(history, key=history.get)
    assert len(list((Path(run.root) / "tensorboard" / NAME).iterdir())) == 1


# Disturbed


@pytest.mark.long
@disturbed
def test_a_killed_driver_is_started_again(undisturbed, command, environment, tmp_path):
    out = tmp_path / "run"
    driver = subprocess.Popen(command(out), env=environment, stderr=subprocess.DEVNULL, start_new_session=True)
    wait_for(lambda: can_go_on(out), driver)
    # With all that it started: what a training process does after its driver's death could be the rest of the training.
    for number in (driver.pid, *descendants(driver.pid)):
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    driver.wait()
    assert not (out / "checkpoints" / f"{NAME}.json").exists()
    again = subprocess.run(command(out), env=environment, capture_output=True, text=True, timeout=300)
    assert again.returncode == 0, again.stderr
    assert_equal(out, undisturbed)
    # A second file of curves: the training went on in it, from a state.
    assert len(list((out / "tensorboard" / NAME).iterdir())) == 2


@contextmanager
def node(*options: str):
    """A Ray node of one CPU, as a process."""
    ports = [f"--dashboard-agent-listen-port={free_port()}", f"--object-store-memory={2**28}"]
    process = subprocess.Popen(
        [RAY, "start", "--block", "--num-cpus=1", *ports, *options],
        env={name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()


def nodes_at(address: str) -> int:
    said = subprocess.run([RAY, "status", "--address", address], capture_output=True, text=True).stdout
    return said.count(" 1 node_")


def training_on(*nodes: subprocess.Popen) -> list[int]:
    """How many training processes each node has."""
    return [len(training_processes(n.pid)) for n in nodes]


@pytest.mark.long
@disturbed
def test_a_lost_node_leaves_its_part_of_the_batch_to_the_others(undisturbed, command, environment, tmp_path):
    """An elastic group on two nodes; one of them is gone all at once, and never comes back."""
    folder = tempfile.mkdtemp(prefix="ray")  # short: the path of a Unix socket may have 107 bytes
    port, out = free_port(), tmp_path / "run"
    address = f"127.0.0.1:{port}"
    soon = {"RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "12"}  # of a group that counts on a node that is no more
    head_options = ("--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={folder}")
    head_options += (f"--ray-client-server-port={free_port()}",)
    with node(*head_options) as head:
        wait_for(lambda: nodes_at(address) == 1, head)
        with node(f"--address={address}") as other, (tmp_path / "said").open("w+") as said:
            wait_for(lambda: nodes_at(address) == 2, other)
            driver = subprocess.Popen(command(out, "--address", address), env=environment | soon, stderr=said)
            wait_for(lambda: can_go_on(out), driver)
            assert training_on(head, other) == [1, 1]
            for number, title in descendants(other.pid).items():
                if "/raylet/raylet " in title:
                    os.kill(number, signal.SIGKILL)
            seen = []
            while driver.poll() is None:
                seen.append(training_on(head, other))
                time.sleep(0.5)
            said.seek(0)
            assert driver.returncode == 0, said.read()
    shutil.rmtree(folder, ignore_errors=True)
    # Both are gone, since the survivor waits for gradients in vain; then there is one.
    later = seen[seen.index([0, 0]) :]
    assert [1, 0] in later
    assert [1, 1] not in later
    assert_equal(out, undisturbed)
