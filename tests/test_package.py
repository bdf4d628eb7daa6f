"""`import raysep`: what it offers, and what is not loaded before it is asked for."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys

import pytest

import raysep
from raysep.corpus import manifest
from raysep.rundir import Run

HEAVY = (
    "ray",
    "torch",
    "torchaudio",
    "transformers",
    "sklearn",
    "scipy",
    "soundfile",
    "pyarrow",
    "numpy",
    "typer",
    "rich",
)


def loaded(script: str, among: tuple[str, ...] = HEAVY) -> set[str]:
    """Which of these packages a new interpreter has loaded after a script."""
    told = f"{script}\nimport sys\nprint(*[name for name in {among} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


def command(*words: str) -> str:
    """A script that gives these words to the `raysep` command, and goes on after it."""
    return f"import sys\nsys.argv = ['raysep', *{words}]\nfrom raysep import cli\ntry:\n    cli.main()\nexcept SystemExit:\n    pass"


@pytest.fixture
def scored(make_context, make_stems, write_rows) -> Run:
    """A run with calibrated scores of forty stems by one probe, a quarter of the judged ones far off."""
    context = make_context(decision={"rule": "ratio", "ratio": 0.25, "probe": "fad"})
    from raysep import config as settings

    context.run.open("abc", {"config": settings.to_dict(context.config)})
    rows = [
        {
            "stem_id": f"{track:02d}/{label}",
            "track": f"{track:02d}",
            "stem": label,
            "outcome": "scored",
            "seconds": 3.0,
            "fad": float(track % 4 > 0) + 0.01 * track,
            "role": "corpus",
            "kind": "",
            "origin": "",
        }
        for track in range(10)
        for label in context.config.labels
    ]
    write_rows(context.run, "stems.parquet", rows)
    manifest.write(context.run.path("manifest.parquet"), make_stems([f"{track:02d}" for track in range(10)]))
    context.run.write_table(raysep.decide(context.run.root), "decision.parquet")
    return context.run


def test_every_name_that_is_offered_is_there():
    assert len(set(raysep.__all__)) == len(raysep.__all__) > 10
    for name in raysep.__all__:
        value = getattr(raysep, name)
        assert name == "__version__" or inspect.getdoc(value), name
    assert set(raysep.__all__) <= set(dir(raysep))


def test_a_star_import_brings_just_these():
    names: dict = {}
    exec("from raysep import *", names)
    assert set(names) - {"__builtins__"} == set(raysep.__all__)


def test_another_name_is_refused_as_of_any_module():
    with pytest.raises(AttributeError, match=r"^module 'raysep' has no attribute 'dance'$"):
        raysep.dance  # noqa: B018
    with pytest.raises(ImportError):
        exec("from raysep import dance")


@pytest.mark.parametrize(
    "script", ["import raysep", "import raysep; raysep.clean; raysep.decide; raysep.train; raysep.fad; raysep.Cleaning"]
)
def test_importing_it_loads_nothing(script):
    assert loaded(script) == set()


def test_help_loads_the_parser_alone():
    assert loaded(command("--help")) <= {"typer", "rich"}


def test_looking_at_a_run_loads_neither_ray_nor_torch(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps({"fingerprint": "abc", "started": "now", "stages": {}}))
    assert loaded(command("status", str(tmp_path))) <= {"typer", "rich", "pyarrow", "numpy"}


@pytest.mark.slow
def test_deciding_again_loads_neither_ray_nor_torch(scored, tmp_path):
    out = tmp_path / "again.parquet"
    for script in (
        f"import raysep; assert raysep.decide({scored.root!r}, ratio=0.5).num_rows == 40",
        f"{command('decide', scored.root, '--ratio', '0.5', '--out', str(out))}\nimport os\nassert os.path.getsize({str(out)!r})",
    ):
        assert loaded(script) & {"ray", "torch", "torchaudio", "transformers", "soundfile"} == set()


@pytest.mark.slow
def test_listing_the_suspects_loads_neither_ray_nor_torch(scored):
    for script in (
        f"import raysep; assert raysep.suspects({scored.root!r}, top=3).num_rows == 3",
        command("suspects", scored.root),
    ):
        assert loaded(script) & {"ray", "torch", "torchaudio", "transformers", "soundfile"} == set()
