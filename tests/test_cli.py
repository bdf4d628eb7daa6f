from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import typer
import yaml
from typer.testing import CliRunner

from raysep import __version__, cli, pipeline
from raysep import config as settings
from raysep.errors import AudioError, BadInput, FinishedWithFailures, RaysepError, RunConflict

sys.path.insert(0, str(Path(__file__).parent))  # the same helper module under any import mode of pytest

from command_lines import commands, parse, words_of

HEAVY = ("ray", "torch", "torchaudio", "pyarrow", "scipy", "sklearn", "soundfile", "numpy", "boto3")


@pytest.fixture
def raysep(monkeypatch, capsys):
    """raysep("status", "x") → (exit code, standard output, standard error), through the real entry point."""
    monkeypatch.setenv("RAYSEP_DEBUG", "")  # put back afterwards, whatever --debug sets

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["raysep", *arguments])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return end.value.code or 0, *capsys.readouterr()

    return call


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
        (("clean", "C"), "--reference"),
        (("synth", "out", "--songs", "0"), "--songs"),
        (("contaminate", "C", "--out", "O", "--share", "1.5"), "--share"),
        (("config", "--preset", "huge"), "--preset huge: there is no such preset"),
        (("status", "/no/such/run"), "/no/such/run: no run here"),
        (("report", "/no/such/run"), "/no/such/run: no run here"),
        (("benchmark", "detection", "/no/such/run", "truth.parquet"), "/no/such/run: no run here"),
        (("benchmark", "corpus", "out", "--size", "vast"), "--size vast: there is no such size"),
        (("benchmark", "attribution", "/no/such/bench", "--out", "o"), "/no/such/bench: holds no train/"),
        (("fad", "/no/such/corpus", "--reference", "R", "--out", "O"), "/no/such/corpus: no such folder"),
        (("submit", "dance", "x"), "dance: there is no such job"),
        (("scan", "/no/such/corpus", "--out", "m.parquet"), "/no/such/corpus: no such folder"),
        (("status", "gs://bucket/run"), "gs://bucket/run"),
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


# Settings


@pytest.fixture
def asked(raysep, monkeypatch):
    """asked(…) → what `raysep clean` with these options hands to the pipeline."""
    requests = []
    monkeypatch.setattr(pipeline, "clean", lambda request, benchmark=None: requests.append(request))

    def ask(*options: str) -> pipeline.Request:
        code, _, error = raysep("clean", "C", "--reference", "R", "--out", "O", *options)
        assert (code, error) == (0, "")
        return requests[-1]

    return ask


def test_settings_of_the_command_line_win_over_those_of_the_file(asked, tmp_path):
    file = tmp_path / "my.yaml"
    file.write_text("training: {steps: 5, batch: 6}\nseed: 4\n")
    request = asked("--config", str(file), "--set", "training.steps=9", "--set", "proof.seeds=[1, 2]")
    assert request.overrides == {"training": {"steps": 9, "batch": 6}, "seed": 4, "proof": {"seeds": [1, 2]}}


def test_the_options_of_clean_reach_the_pipeline(asked):
    request = asked("--test", "T", "--preset", "tiny", "--search", "--retry-failed", "--workers", "3", "-q")
    assert request == pipeline.Request(
        "C", "R", "O", "T", "tiny", {}, search=True, workers=3, retry_failed=True, address=None, quiet=True
    )


def test_the_options_of_train_reach_the_pipeline(raysep, monkeypatch):
    found = []

    class Done:
        def path(self, *parts: str) -> str:
            return "/".join(parts)

    monkeypatch.setattr(pipeline, "train", lambda request, decision: found.append((request, decision)) or Done())
    words = (
        "C",
        "--out",
        "O",
        "--test",
        "T",
        "--validation",
        "V",
        "--decision",
        "D",
        "--set",
        "training.patience=3",
        "-q",
    )
    assert raysep("train", *words)[0] == 0
    overrides = {"training": {"patience": 3}}
    assert found == [(pipeline.Request("C", None, "O", "T", overrides=overrides, quiet=True, validation="V"), "D")]


def test_the_options_of_evaluate_reach_the_stage(raysep, monkeypatch):
    from raysep.stages import evaluate

    found = []
    monkeypatch.setattr(evaluate, "evaluate", found.append)
    words = ("m.safetensors", "RUN", "C", "--out", "O", "--against", "m", "--baseline", "--metrics", "sdr,si_sdr")
    words += (
        "--bss-eval",
        "--backend",
        "museval",
        "--frames",
        "--filter",
        "wiener",
        "--labels",
        "a,b",
        "--workers",
        "2",
    )
    assert raysep("evaluate", *words)[0] == 0
    assert found == [
        evaluate.Request(
            ("m.safetensors", "RUN"), "C", "O", ("sdr", "si_sdr"), True, "museval", "m", True, True, "test", ("a", "b"),
            {"filter": "wiener"}, workers=2,
        )
    ]  # fmt: skip


def test_the_options_of_fad_reach_the_stage(raysep, monkeypatch):
    from raysep.stages import distances

    found = []
    monkeypatch.setattr(distances, "fad", found.append)
    assert raysep("fad", "C", "--reference", "R", "--out", "O")[0] == 0
    words = "--embedder mert --embedder-weights W --measures fad,kad --split test --labels a,b --seed 3 --workers 2 -q"
    assert raysep("fad", "C", "--reference", "r.fadref", "--out", "O", *words.split())[0] == 0
    assert found == [
        distances.Request("C", "R", "O"),
        distances.Request(
            "C", "r.fadref", "O", "mert", "W", ("fad", "kad"), "test", ("a", "b"), 3, workers=2, quiet=True
        ),
    ]


def test_the_help_of_fad_names_the_default_embedder_and_measures():
    from raysep.probes.embedders import registry
    from raysep.probes.fad.measures import MEASURES
    from raysep.stages import distances

    shown = {p.name: p.help for p in typer.main.get_command(cli.app).commands["fad"].params if p.name != "corpus"}
    assert f"else {registry.DEFAULT})" in shown["embedder"]
    assert f"else {','.join(distances.DEFAULT_MEASURES)})" in shown["measures"]
    assert ", ".join(MEASURES) in shown["measures"]


def test_the_options_of_separate_reach_the_stage(raysep, monkeypatch):
    from raysep.stages import separate

    found = []
    monkeypatch.setattr(
        separate, "separate_files", lambda *a, **options: found.append((a, options)) or ["O/a/vocals.flac"]
    )
    words = (
        "m",
        "a.wav",
        "b",
        "--out",
        "O",
        "--format",
        "flac",
        "--bits",
        "24",
        "--stems",
        "vocals,bass",
        "--shifts",
        "2",
    )
    words += (
        "--filter",
        "wiener",
        "--chunk-seconds",
        "5",
        "--overlap",
        "0.5",
        "--batch",
        "2",
        "--overwrite",
        "--residual",
    )
    code, text, _ = raysep("separate", *words)
    assert (code, text) == (0, "O/a/vocals.flac\n")
    ((places, options),) = found
    assert places == ("m", ["a.wav", "b"], "O")
    assert options == {
        "batch": 2, "device": "auto", "overwrite": True, "quiet": False, "format": "flac", "bits": 24, "clip": "clip",
        "stems": ("vocals", "bass"), "two_stems": None, "residual": True, "filter": "wiener", "chunk_seconds": 5.0,
        "overlap": 0.5, "shifts": 2, "precision": "float32",
    }  # fmt: skip


def test_printed_settings_are_accepted_again(raysep, tmp_path, asked):
    code, text, _ = raysep("config", "--preset", "tiny")
    assert code == 0
    (tmp_path / "my.yaml").write_text(text)
    overrides = asked("--config", str(tmp_path / "my.yaml")).overrides
    assert yaml.safe_load(text) == overrides
    assert settings.preset("full", overrides) == settings.preset("tiny")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no such file"),
        (b"\xff\xfe\x00rubbish", "not a text file"),
        (b"training: [", "not YAML"),
        (b"- 1", "expected settings by name"),
    ],
)
def test_a_settings_file_that_cannot_be_used_is_named(raysep, tmp_path, content, words):
    file = tmp_path / "my.yaml"
    if content is not None:
        file.write_bytes(content)
    code, _, error = raysep("clean", "C", "--reference", "R", "--out", "O", "--config", str(file))
    assert code == 2
    assert str(file) in error
    assert words in error
    assert "Traceback" not in error


def test_a_folder_is_no_settings_file(raysep, tmp_path):
    code, _, error = raysep("clean", "C", "--reference", "R", "--out", "O", "--config", str(tmp_path))
    assert code == 2
    assert "not a text file" in error


@pytest.mark.parametrize("assignment", ["training.steps", "training.steps=[1"])
def test_an_assignment_that_is_none_is_named(raysep, assignment):
    code, _, error = raysep("clean", "C", "--reference", "R", "--out", "O", "--set", assignment)
    assert code == 2
    assert error.startswith(f"raysep: --set {assignment}:")
    assert error.count("\n") == 1


def test_settings_are_checked_before_any_file_is(raysep, monkeypatch):
    request = pipeline.Request("/no/such/corpus", "R", "O", overrides={"labels": "vocals"})
    with pytest.raises(BadInput, match=r"labels = .*two or more"):
        pipeline.prepare(request)
    with pytest.raises(BadInput, match="--preset huge"):
        pipeline.prepare(pipeline.Request("/no/such/corpus", "R", "O", preset="huge"))


# Jobs


def test_a_submitted_job_gets_its_own_options(raysep, monkeypatch):
    from raysep.cluster import submit

    sent = []
    monkeypatch.setattr(submit, "submit", lambda *arguments: sent.append(arguments) or "raysep-1")
    code, output, _ = raysep(
        "submit", "--address", "http://head:8265", "--no-wait", "clean", "C", "--reference", "R", "--address", "auto"
    )
    assert code == 0
    assert sent == [("http://head:8265", ["jobs.clean", "C", "--reference", "R", "--address", "auto"], None)]
    assert "submitted raysep-1" in output


def test_every_job_can_be_submitted(raysep, monkeypatch):
    from raysep.cluster import submit

    sent = []
    monkeypatch.setattr(submit, "submit", lambda address, arguments, identity: sent.append(arguments[0]) or "raysep-1")
    modules = {file.stem for file in (Path(__file__).parents[1] / "jobs").glob("*.py")} - {"__init__", "entry"}
    for job in sorted(modules):
        assert raysep("submit", "--no-wait", job, "C")[0] == 0
    assert sent == [f"jobs.{job}" for job in sorted(modules)]


def test_a_job_that_failed_fails_the_command(raysep, monkeypatch):
    from types import SimpleNamespace

    from raysep.cluster import submit

    def follow(address, identity, write):
        write("training …\n")
        return SimpleNamespace(status=SimpleNamespace(value="FAILED"), message="out of disk")

    monkeypatch.setattr(submit, "submit", lambda *arguments: "raysep-1")
    monkeypatch.setattr(submit, "follow", follow)
    code, output, error = raysep("submit", "train", "C", "--out", "O")
    assert code == 1
    assert "training …" in output
    assert "raysep-1: ended as FAILED (out of disk)" in error
