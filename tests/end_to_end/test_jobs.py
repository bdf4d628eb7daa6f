"""The same cleaning as a job on a running cluster, by Ray's own command line."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from raysep.rundir import Run
from tests.end_to_end.processes import RAY, free_port
from tests.flaky_proxy import FlakyProxy

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("finished")]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def head():
    """A Ray head on loopback for these tests; gives the address of its dashboard and its environment."""
    folder = tempfile.mkdtemp(prefix="ray")  # short: the path of a Unix socket may have 107 bytes
    port, dashboard, agent, client = (free_port() for _ in range(4))
    environment = {k: v for k, v in os.environ.items() if k not in ("RAY_ADDRESS",)}
    # A job's entrypoint is found on the cluster's PATH, so the head starts from this environment's own.
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    process = subprocess.Popen(
        [RAY, "start", "--head", "--block", "--num-cpus=2", f"--port={port}", "--dashboard-host=127.0.0.1"]
        + [f"--dashboard-port={dashboard}", f"--temp-dir={folder}"]
        # The default ports of these may belong to another runtime of the tests.
        + [f"--dashboard-agent-listen-port={agent}", f"--ray-client-server-port={client}"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
    )
    address = f"http://127.0.0.1:{dashboard}"
    try:
        wait_until_up(address, environment)
        yield address, environment
    finally:
        process.terminate()
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
        shutil.rmtree(folder, ignore_errors=True)


def wait_until_up(address: str, environment: dict[str, str]) -> None:
    """The dashboard answers before the agent that starts jobs is there: only a job that starts tells."""
    for _ in range(60):
        trial = subprocess.run(
            [RAY, "job", "submit", "--address", address, "--no-wait", "--", "true"],
            env=environment,
            capture_output=True,
        )
        if trial.returncode == 0:
            return
        time.sleep(1)
    raise AssertionError(f"no Ray jobs at {address} after a minute: {trial.stderr[-500:]}")


@pytest.mark.long
def test_a_submitted_job_decides_as_the_local_run(finished, request_for, head, tmp_path):
    address, environment = head
    request = request_for(tmp_path / "job")
    arguments = [request.corpus, "--reference", request.reference, "--out", request.out, "--test", request.test]
    runtime = json.dumps({"excludes": [".venv", ".git", "runs", "docs"]})
    submitted = subprocess.run(
        [RAY, "job", "submit", "--address", address, "--working-dir", str(ROOT), "--runtime-env-json", runtime, "--"]
        + ["python", "-m", "jobs.clean", *arguments, "--preset", "smallest", "--search"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert submitted.returncode == 0, submitted.stdout[-4000:]
    assert "succeeded" in submitted.stdout.lower()
    assert Run(request.out).read_table("decision.parquet") == finished.read_table("decision.parquet")


@pytest.mark.long
def test_a_job_with_a_wrong_path_fails_and_says_why(head, tmp_path):
    address, environment = head
    (tmp_path / "trusted").mkdir()
    submitted = subprocess.run(
        [sys.executable, "-m", "raysep.cli", "submit", "--address", address, "clean", "--"]
        + [str(tmp_path / "nowhere"), "--reference", str(tmp_path / "trusted"), "--out", str(tmp_path / "out")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert submitted.returncode != 0
    assert "nowhere: no such folder" in submitted.stdout


def submitted_from(folder: Path, address: str, environment: dict[str, str], *words: str) -> subprocess.CompletedProcess:
    """`raysep submit` by the code in a folder, given somewhere else."""
    return subprocess.run(
        [sys.executable, "-m", "raysep", "submit", "--address", address, *words],
        env=environment | {"PYTHONPATH": str(folder)},
        cwd=tempfile.gettempdir(),
        capture_output=True,
        text=True,
        timeout=600,
    )


def test_an_installed_raysep_takes_its_own_code_along_and_is_submitted_once(head, corpora, tmp_path):
    """Away from any checkout; the dashboard goes away twice meanwhile, and the same command follows the job that is there."""
    address, environment = head
    shutil.copytree(ROOT / "raysep", tmp_path / "site" / "raysep", ignore=shutil.ignore_patterns("__pycache__"))
    proxy = FlakyProxy(address)
    looks = itertools.count()
    # Three looks at the job fail, three go well, and so on; the first that asks whether it is known is not among them.
    away = lambda method, path: "reset" if "/api/jobs/raysep-check" in path and 1 < next(looks) % 6 < 5 else None  # noqa: E731
    words = ["check", corpora.corpus, "--out", str(tmp_path / "checked")]
    with proxy.by(away):
        first = submitted_from(tmp_path / "site", proxy.url, environment, *words)
    proxy.close()
    assert first.returncode == 1, first.stderr  # something was found: 3 in a shell
    assert f"of {tmp_path / 'site' / 'raysep'}" in first.stderr
    assert first.stderr.count("the dashboard does not answer") == first.stderr.count("answers again") > 0
    identity = first.stdout.split()[1]
    assert identity.startswith("raysep-check-")
    assert (tmp_path / "checked" / "check.parquet").exists()
    again = submitted_from(tmp_path / "site", address, environment, "--no-follow", *words)
    assert again.stdout.split()[1] == f"{identity}-2"  # the first has failed, by its exit code
