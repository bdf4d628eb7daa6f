from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from raysep import __version__, cli, errors, pipeline
from raysep.errors import AudioError, BadInput, FinishedWithFailures, OutputError, RaysepError, RunConflict

sys.path.insert(0, str(Path(__file__).parent))  # the same helper module under any import mode of pytest

from command_lines import commands, parse, words_of

HEAVY = ("ray", "torch", "torchaudio", "pyarrow", "scipy", "sklearn", "soundfile", "numpy", "boto3")


# Help


@pytest.mark.parametrize("name", [(), ("benchmark",), *commands()], ids=" ".join)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_every_help_ends_well_and_shows_an_example(name, flag):
    result = CliRunner().invoke(cli.app, [*name, flag])
    assert result.exit_code == 0
    example = result.output.partition("Example:")[2].split("\n\n")[1].strip()
    assert example.startswith(" ".join(("raysep", *name)))
    assert "\n" not in example


@pytest.mark.parametrize("name", commands(), ids=" ".join)
def test_the_examples_are_accepted_by_the_parser(name):
    """The example's words go through the command's parser, and no further."""
    command = typer.main.get_command(cli.app)
    for part in name:
        command = command.commands[part]
    example = command.help.partition("Example:")[2].split("\b\n")[1].strip()
    assert words_of(example)[: len(name)] == list(name)
    assert parse(words_of(example))


def test_help_imports_nothing_heavy():
    script = (
        "import sys\nsys.argv = ['raysep', '--help']\nfrom raysep import cli\n"
        "try:\n    cli.main()\nexcept SystemExit:\n    pass\n"
        f"print('loaded:', *[name for name in {HEAVY} if name in sys.modules])"
    )
    shown = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    ).stdout
    assert "Example:" in shown
    assert shown.splitlines()[-1] == "loaded:"


def test_the_version_is_printed(raysep):
    assert raysep("--version") == (0, f"{__version__}\n", "")


# Errors


@pytest.mark.parametrize(
    ("error", "code"),
    [(RaysepError, 1), (BadInput, 2), (AudioError, 2), (FinishedWithFailures, 3), (RunConflict, 4)],
)
def test_an_error_is_one_line_and_an_exit_code_of_its_kind(raysep, monkeypatch, error, code):
    def fail(request, benchmark=None):
        raise error("x.wav: broken; replace it")

    monkeypatch.setattr(pipeline, "clean", fail)
    arguments = ("clean", "C", "--reference", "R", "--out", "O")
    assert raysep(*arguments) == (code, "", "raysep: x.wav: broken; replace it\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ("clean", "no-such-corpus", "--reference", "R", "--out"),
        ("train", "no-such-corpus", "--out"),
        ("evaluate", "no-such-model", "no-such-corpus", "--out"),
        ("fad", "no-such-corpus", "--reference", "R", "--out"),
        ("separate", "no-such-model", "no-such-song", "--out"),
        ("scan", "no-such-corpus", "--out"),
        ("contaminate", "no-such-corpus", "--out"),
        ("synth",),
        ("benchmark", "run", "--out"),
        ("benchmark", "harm", "no-such-bench", "--out"),
        ("benchmark", "attribution", "no-such-bench", "--out"),
        ("benchmark", "corpus"),
    ],
    ids=" ".join,
)
def test_an_output_that_cannot_be_written_is_told_before_anything_is_read(raysep, tmp_path, arguments):
    (tmp_path / "file").write_text("")
    place = f"{tmp_path}/file/out" + (".parquet" if "scan" in arguments else "")
    code, output, error = raysep(*arguments, place)
    assert (code, output) == (1, "")
    lines = [line for line in error.splitlines() if not line.endswith("…")]  # a bar that has begun
    assert len(lines) == 1
    assert place.removesuffix("out") in lines[0]
    assert "cannot be written" in lines[0]
    assert (tmp_path / "file").read_text() == ""


def test_a_standard_output_that_is_full_is_one_line():
    script = "import sys\nsys.argv = ['raysep', '--version']\nfrom raysep import cli\ncli.main()"
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", script], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60
        )
    assert done.returncode == 1
    assert (
        done.stderr
        == "raysep: standard output: cannot be written (No space left on device); make room there, or choose another place\n"
    )


def test_a_shell_completes_commands_and_options():
    script = "import sys\nsys.argv = ['raysep']\nfrom raysep import cli\ncli.main()"
    for words, found in (("raysep cle", "clean"), ("raysep decide --over", "--overwrite")):
        asked = {"_RAYSEP_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, env={**os.environ, **asked}
        )
        assert done.stdout.split() == [found]


def test_debug_shows_the_traceback(monkeypatch):
    monkeypatch.setenv("RAYSEP_DEBUG", "")
    monkeypatch.setattr(sys, "argv", ["raysep", "--debug", "status", "/no/such/run"])
    with pytest.raises(BadInput):
        cli.main()


def test_stopping_says_that_the_run_can_go_on(raysep, monkeypatch):
    def stop(request, benchmark=None):
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "clean", stop)
    code, _, error = raysep("clean", "C", "--reference", "R", "--out", "O")
    assert code == 130
    assert error.strip() == "raysep: stopped; the same command goes on where this one ended"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("frob",), "No such command"),
        (("demo", "songs"), "a place to write to is given as --out songs; `raysep demo -h` shows what there is"),
        (("demo", "songs", "--out", "there"), "(songs); `raysep demo -h` shows what there is"),
        (("status", "run", "other"), "(other); `raysep status -h` shows what there is"),
        (("clean", "C"), "--reference"),
        (("synth", "out", "--songs", "0"), "--songs"),
        (("contaminate", "C", "--out", "O", "--share", "1.5"), "--share"),
        (("config", "--preset", "huge"), "--preset huge: there is no such preset"),
        (("status", "/no/such/run"), "/no/such/run: no run here"),
        (("report", "/no/such/run"), "/no/such/run: no run here"),
        (("benchmark", "detection", "/no/such/run", "truth.parquet"), "/no/such/run: no run here"),
        (("benchmark", "corpus", "out", "--size", "vast"), "--size vast: there is no such size"),
        (("benchmark", "attribution", "/no/such/bench", "--out", "o"), "/no/such/bench: holds no train/"),
        (("benchmark", "harm", "/no/such/bench", "--out", "o"), "/no/such/bench: holds no clean/"),
        (("benchmark", "harm", "B", "--out", "o", "--kind", "hum"), "kind 'hum': choose from"),
        (("benchmark", "corpus", "out", "--condition", "rain"), "--condition rain: there is no such condition"),
        (("contaminate", "C", "--out", "O", "--condition", "rain"), "--condition rain: there is no such condition"),
        (("fad", "/no/such/corpus", "--reference", "R", "--out", "O"), "/no/such/corpus: no such folder"),
        (("clean", "C", "--reference", "", "--out", "O"), "'--reference': it is empty"),
        (("clean", "", "--reference", "R", "--out", "O"), "'corpus': it is empty"),
        (("evaluate", "M", "", "C", "--out", "O"), "it is empty"),
        (("clean", "C", "--reference", "R", "--out", "O", "--set", f"seed={2**63}"), "must be from 0 to below 2^63"),
        (("train", "C", "--out", "O", "--set", f"proof.seeds=[1,{2**70}]"), "from 0 to below 2^63"),
        (("submit", "dance", "x"), "dance: there is no such job"),
        (("scan", "/no/such/corpus", "--out", "m.parquet"), "/no/such/corpus: no such folder"),
        (("status", "ftp://bucket/run"), "ftp://bucket/run"),
    ],
)
def test_a_wrong_command_line_names_what_is_wrong(raysep, arguments, words):
    code, output, error = raysep(*arguments)
    assert (code, output) == (2, "")
    assert words in error
    assert "Traceback" not in error


def test_an_unfinished_run_has_no_report(raysep, tmp_path):
    (tmp_path / "run.json").write_text('{"fingerprint": "abc", "started": "now", "stages": {}}')
    run = str(tmp_path)
    for arguments in (
        ("report", run),
        ("decide", run, "--out", f"{run}/again.parquet"),
        ("benchmark", "detection", run, "truth.parquet"),
    ):
        code, _, error = raysep(*arguments)
        assert code == 2
        assert "start its `raysep clean` again" in error
    code, output, _ = raysep("status", run)
    assert code == 0
    assert "not done" in output


# Jobs


@pytest.fixture
def cluster(monkeypatch):
    """A cluster that takes every job; gives (what it was sent, how the jobs are that it knows)."""
    from raysep.cluster import jobs

    sent, known = [], {}
    monkeypatch.setattr(jobs, "client", lambda address: address)
    monkeypatch.setattr(jobs, "status_of", lambda cluster, identity: known.get(identity))
    monkeypatch.setattr(jobs, "submit", lambda cluster, *job: sent.append(job))
    return sent, known


def test_a_submitted_job_gets_its_own_options(raysep, cluster):
    words = ["clean", "C", "--reference", "R", "--address", "auto"]
    code, output, error = raysep(
        "submit", "--address", "http://head:8265", "--submission-id", "night-1", "--no-wait", *words
    )
    assert code == 0
    ((address, sent, identity, upload),) = cluster[0]
    assert (address, sent, identity) == ("http://head:8265", ["raysep", *words], "night-1")
    assert output == "submitted night-1 to http://head:8265\n"
    assert error == f"{upload.told()}\n"


def test_submitting_without_code_says_which_will_run(raysep, cluster):
    code, _, error = raysep("submit", "--no-follow", "--no-upload", "clean", "C", "--reference", "R", "--out", "O")
    assert code == 0
    assert cluster[0][0][-1] is None
    assert error == f"uploads nothing: it runs the raysep that is installed there; here it is {__version__}\n"


def test_every_job_can_be_submitted(raysep, cluster):
    from raysep.commands.submit.command import JOBS

    modules = {file.stem for file in (Path(__file__).parents[1] / "jobs").glob("*.py")} - {"__init__", "entry"}
    assert modules == set(JOBS)
    for job in sorted(modules):
        assert raysep("submit", "--no-wait", job, "C")[0] == 0
    assert [words[:2] for _, words, *_ in cluster[0]] == [["raysep", job] for job in sorted(modules)]


def test_a_command_that_was_submitted_is_followed_and_not_submitted_again(raysep, cluster, monkeypatch):
    from types import SimpleNamespace

    from ray.job_submission import JobStatus

    from raysep.cluster import following, jobs

    words = ["clean", "C", "--reference", "R", "--out", "s3://b/run"]
    identity = jobs.identity_of(["raysep", *words])
    cluster[1][identity] = JobStatus.RUNNING
    done = SimpleNamespace(status=JobStatus.SUCCEEDED, message="")
    monkeypatch.setattr(following, "follow", lambda cluster, identity, write, say: done)
    code, output, _ = raysep("submit", *words)
    assert code == 0
    assert output.splitlines() == [
        f"already submitted to http://127.0.0.1:8265 as {identity}, running",
        f"{identity}: SUCCEEDED",
        "results: s3://b/run",
    ]
    cluster[1][identity] = JobStatus.SUCCEEDED
    code, output, _ = raysep("submit", *words)
    assert output.splitlines()[1:] == ["results: s3://b/run"]
    assert cluster[0] == []


def test_a_job_that_failed_fails_the_command(raysep, cluster, monkeypatch):
    from types import SimpleNamespace

    from ray.job_submission import JobStatus

    from raysep.cluster import following

    def follow(cluster, identity, write, say):
        write("training …\n")
        return SimpleNamespace(status=JobStatus.FAILED, message="out of disk")

    monkeypatch.setattr(following, "follow", follow)
    code, output, error = raysep("submit", "--submission-id", "night-1", "train", "C", "--out", "O")
    assert code == 1
    assert "training …" in output
    assert "night-1: ended as FAILED (out of disk)" in error


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (FileNotFoundError("s3://b/k: no such bucket"), 2, "s3://b/k: no such bucket"),
        (PermissionError(13, "Permission denied", "/full/x"), 2, "Permission denied: '/full/x'"),
        (OSError(28, "No space left on device", "/full/x"), 1, "/full/x: cannot be written (No space left on device)"),
    ],
    ids=["gone", "refused", "full"],
)
def test_what_the_system_refuses_is_one_line(raysep, monkeypatch, error, code, words):
    def fail(*_):
        raise error

    monkeypatch.setattr("raysep.rundir.existing", fail)
    ended, _, told = raysep("status", "runs/x")
    assert (ended, len(told.splitlines())) == (code, 1)
    assert words in told
    monkeypatch.setenv("RAYSEP_DEBUG", "1")
    with pytest.raises((OSError, OutputError), match=words.partition(":")[0]):
        cli.main()


@pytest.mark.parametrize(("kind", "code"), [("StorageUnreachable", 1), ("StorageRefused", 2)])
def test_a_storage_that_cannot_be_used_is_one_line(raysep, monkeypatch, kind, code):
    def fail(*_):
        raise getattr(errors, kind)("s3://b/run: away")

    monkeypatch.setattr("raysep.rundir.existing", fail)
    assert raysep("status", "s3://b/run") == (code, "", "raysep: s3://b/run: away\n")
