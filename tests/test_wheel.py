"""The package as somebody installs it: a wheel in a fresh environment, outside the project and without the extras."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

from raysep.version import __version__

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[1]
EXTRAS = ("transformers", "tinysoundfont", "_tinysoundfont", "pretty_midi")  # what `pip install raysep` does not bring

Call = Callable[..., subprocess.CompletedProcess]


def copy(folder: Path) -> Path:
    """What a build reads of this project, as a copy, so that nothing is left in it."""
    source = folder / "source"
    shutil.copytree(ROOT / "raysep", source / "raysep", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "jobs", source / "jobs", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    return source


def build(folder: Path) -> Path:
    """The wheel of this project."""
    source = copy(folder)
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "--quiet"]
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", str(folder), str(source)],
        check=True,
        timeout=300,
    )
    (wheel,) = folder.glob("*.whl")
    return wheel


def borrow(packages: Path) -> None:
    """The packages installed here, by links and without raysep and the extras: nothing is downloaded."""
    packages.mkdir()
    for place in (Path(entry) for entry in sys.path if entry.endswith("site-packages")):
        for item in place.iterdir():
            name = item.name.lower()
            if name.startswith((*EXTRAS, "raysep", "__editable__")) or name.endswith(".pth"):
                continue
            if not (packages / item.name).exists():
                (packages / item.name).symlink_to(item)


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Call:
    """installed("raysep", "--help"): a program of the fresh environment, run in an empty folder."""
    folder = tmp_path_factory.mktemp("wheel")
    wheel = build(folder)
    home, elsewhere = folder / "environment", folder / "elsewhere"
    venv.create(home, symlinks=True)
    python = home / "bin" / "python"
    options = ["--no-deps", "--no-index", "--disable-pip-version-check", "--quiet"]
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(python), "install", *options, str(wheel)], check=True, timeout=300
    )
    borrow(folder / "packages")
    (site,) = home.glob("lib/python*/site-packages")
    (site / "borrowed.pth").write_text(f"{folder / 'packages'}\n")
    elsewhere.mkdir()
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "RAYSEP_DEBUG")}

    def call(program: str, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [str(home / "bin" / program), *arguments],
            cwd=elsewhere,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )

    return call


def told(done: subprocess.CompletedProcess) -> str:
    """Standard output of a program that worked."""
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_the_source_distribution_holds_the_same_package(tmp_path):
    source = copy(tmp_path)
    script = "import sys; from setuptools.build_meta import build_sdist; print(build_sdist(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], cwd=source, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    with tarfile.open(tmp_path / f"raysep-{__version__}.tar.gz") as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    here = {str(path.relative_to(source)) for path in (source / "raysep").rglob("*") if path.is_file()}
    assert here <= held
    assert {"pyproject.toml", "README.md", "LICENSE", "PKG-INFO"} <= held


def test_what_is_installed_says_what_it_is(installed):
    script = "import importlib.metadata as m; a = m.metadata('raysep'); print(a['Author'], a['License-Expression'], *a.get_all('Provides-Extra'))"
    shown = told(installed("python", "-c", script))
    assert "the raysep authors MIT AND CC-BY-3.0" in shown
    assert {"songs", "embedders"} <= set(shown.split())


def test_what_is_installed_is_the_package_its_data_and_nothing_beside_it(installed):
    script = (
        "import importlib.util as u, raysep, pathlib\n"
        "home = pathlib.Path(raysep.__file__).parent\n"
        "files = ['py.typed', 'report/style.css', 'corpus/songs/voice/bank.json', 'corpus/songs/voice/ATTRIBUTION.md',\n"
        "         'probes/embedders/weights/aisfx.safetensors', 'probes/embedders/weights/ATTRIBUTION.md']\n"
        "print(raysep.__version__, 'site-packages' in str(home), u.find_spec('jobs'), [f for f in files if not (home / f).is_file()])"
    )
    assert told(installed("python", "-c", script)).strip() == f"{__version__} True None []"


@pytest.mark.parametrize("arguments", [("--help",), ("submit", "--help"), ("clean", "--help")], ids=" ".join)
def test_its_help_is_shown(installed, arguments):
    assert "Example:" in told(installed("raysep", *arguments))


def test_it_is_a_module_too_as_a_submitted_job_runs_it(installed):
    assert told(installed("python", "-m", "raysep", "--version")) == f"{__version__}\n"


def test_its_settings_read_back(installed, tmp_path):
    from raysep import config

    shown = told(installed("raysep", "config", "--preset", "tiny"))
    assert config.preset("tiny", config.read_yaml(shown, "tiny.yaml")) == config.preset("tiny")


def test_it_looks_at_a_run(installed, tmp_path):
    (tmp_path / "run.json").write_text(json.dumps({"fingerprint": "abc", "started": "now", "stages": {}}))
    assert "run abc, started now" in told(installed("raysep", "status", str(tmp_path)))


def test_it_has_no_checkout_to_send_to_a_cluster(installed):
    script = "from raysep.cluster import jobs; print(jobs.checkout())"
    assert told(installed("python", "-c", script)).strip() == "None"


@pytest.mark.parametrize("arguments", [("demo", "--out", "demo"), ("synth", "songs", "--songs", "1")], ids=" ".join)
def test_songs_say_in_one_line_what_they_need(installed, arguments):
    done = installed("raysep", *arguments, "--quiet")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "pip install --no-deps tinysoundfont" in done.stderr


def test_an_embedder_of_transformers_says_in_one_line_what_it_needs(installed, write_tracks, tmp_path):
    songs = write_tracks(tmp_path, ["A"])
    done = installed(
        "raysep", "fad", songs, "--reference", songs, "--out", "out", "--embedder", "clap-music", "--quiet"
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "raysep[embedders]" in done.stderr
