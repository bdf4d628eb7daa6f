"""What Ray says about itself is in its log folder, and not among what a command prints."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

import raysep
from raysep.cluster import noise

# Seven processes on one CPU: Ray warns of four times the CPUs, over the way that it tells of the cluster by.
CROWD = """
import logging, sys, time
from raysep.cluster import session
import ray
@ray.remote(num_cpus=0)
class One:
    def up(self):
        print("a worker speaks")
        return True
if __name__ == "__main__":
    with session.session(cpus=1):
        crowd = [One.remote() for _ in range(7)]
        ray.get([one.up.remote() for one in crowd])
        logging.getLogger("ray.anything").warning("a logger speaks")
        print("logs:", ray.get_runtime_context().get_session_name())
        time.sleep(3)
"""


@pytest.fixture
def logger():
    """One that is put back as it was; with a handler to the terminal."""
    found = logging.getLogger("ray")
    before, level = list(found.handlers), found.level
    found.handlers = [logging.StreamHandler()]
    yield found
    found.handlers = before
    found.setLevel(level)


@pytest.fixture(autouse=True)
def not_asked(monkeypatch):
    monkeypatch.delenv("RAYSEP_DEBUG", raising=False)
    monkeypatch.delenv(noise.LINES, raising=False)


def lines_of(folder: Path) -> list[str]:
    files = [file for file in (folder / "logs").iterdir() if file.is_file()]
    return [line for file in files for line in file.read_text(errors="replace").splitlines()]


def test_loggers_write_into_the_folder_of_the_session_that_is(logger, tmp_path, capsys):
    for name in ("first", "second"):
        (tmp_path / name / "logs").mkdir(parents=True)
        noise.into_file(str(tmp_path / name))
        logger.warning("of the %s", name)
    assert capsys.readouterr() == ("", "")
    assert [line.rsplit(" ", 1)[-1] for line in lines_of(tmp_path / "first")] == ["first"]
    assert [line.rsplit(" ", 1)[-1] for line in lines_of(tmp_path / "second")] == ["second"]


@pytest.mark.parametrize("session", [None, "/nonexistent/session"])
def test_where_no_file_can_be_written_nothing_is_said_either(logger, session, capsys):
    noise.into_file(session)
    logger.error("lost")
    assert capsys.readouterr() == ("", "")


def test_a_logger_with_a_file_keeps_it_and_leaves_the_terminal(tmp_path, capsys):
    own = logging.getLogger("raysep-test-noise")
    own.propagate = False
    own.handlers = [logging.FileHandler(tmp_path / "own.log"), logging.StreamHandler()]
    noise.off_terminal("raysep-test-noise")
    own.warning("kept")
    assert capsys.readouterr() == ("", "")
    assert (tmp_path / "own.log").read_text() == "kept\n"


def test_who_asks_for_it_gets_it(logger, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("RAYSEP_DEBUG", "1")
    handlers = list(logger.handlers)
    noise.hide_messages()
    noise.into_file(str(tmp_path))
    noise.off_terminal("ray")
    assert (os.environ.get(noise.LINES), logger.handlers) == (None, handlers)


def test_the_users_own_pattern_is_left_alone(monkeypatch):
    monkeypatch.setenv(noise.LINES, "")
    noise.hide_messages()
    assert os.environ[noise.LINES] == ""


@pytest.mark.cluster
@pytest.mark.parametrize("debug", ["", pytest.param("1", marks=pytest.mark.long)])
def test_a_crowd_of_processes_is_told_of_in_the_logs_alone_unless_asked(tmp_path, debug):
    (tmp_path / "crowd.py").write_text(CROWD)
    kept = {k: v for k, v in os.environ.items() if k not in ("RAY_ADDRESS", "RAYSEP_DEBUG", noise.LINES)}
    done = subprocess.run(
        [sys.executable, str(tmp_path / "crowd.py")],
        cwd=tmp_path,
        env=kept
        | {
            "PYTHONPATH": str(Path(raysep.__file__).parents[1]),
            "RAYSEP_DEBUG": debug,
            "RAY_max_io_workers": "1",
        },  # counts twice what it has of these off
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    said = [line for line in done.stdout.splitlines() + done.stderr.splitlines() if not line.startswith("logs: ")]
    name = next(line for line in done.stdout.splitlines() if line.startswith("logs: ")).removeprefix("logs: ")
    kept_lines = lines_of(Path(os.environ.get("RAY_TMPDIR", "/tmp"), "ray", name))
    assert any("worker processes have been started" in line for line in kept_lines)
    if debug:
        assert any("worker processes have been started" in line for line in said)
        assert any("a worker speaks" in line for line in said)
        assert any("a logger speaks" in line for line in said)
    else:
        assert said == []
        assert any("a logger speaks" in line for line in kept_lines)
