"""What the command line hands on: options, settings files and `--set`."""

from __future__ import annotations

import pytest
import typer
import yaml

from raysep import cli, pipeline
from raysep import config as settings
from raysep.errors import BadInput


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

    monkeypatch.setattr(pipeline, "train", lambda *given: found.append(given) or Done())
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
    request = pipeline.Request("C", None, "O", "T", overrides=overrides, quiet=True, validation="V")
    assert found == [(request, "D", None)]
    assert raysep("train", *words, "--handling", "drop")[0] == 0
    assert found[1] == (request, "D", "drop")


def test_a_handling_without_a_decision_is_refused(raysep):
    code, _, errors = raysep("train", "C", "--out", "O", "--handling", "drop")
    assert code == 2
    assert "--handling drop: acts on a decision: give --decision too" in " ".join(errors.split())


def test_the_options_of_evaluate_reach_the_stage(raysep, monkeypatch):
    from raysep.commands.evaluate import evaluate

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
        evaluate.EvaluationRequest(
            ("m.safetensors", "RUN"), "C", "O", ("sdr", "si_sdr"), True, "museval", "m", True, True, None, ("a", "b"),
            {"filter": "wiener"}, workers=2,
        )
    ]  # fmt: skip


def test_the_options_of_fad_reach_the_stage(raysep, monkeypatch):
    from raysep.commands.fad import fad

    found = []
    monkeypatch.setattr(fad, "fad", found.append)
    assert raysep("fad", "C", "--reference", "R", "--out", "O")[0] == 0
    words = "--embedder mert --embedder-weights W --measures fad,kad --split test --labels a,b --seed 3 --workers 2 -q"
    assert raysep("fad", "C", "--reference", "r.fadref", "--out", "O", *words.split())[0] == 0
    assert found == [
        fad.FadRequest("C", "R", "O"),
        fad.FadRequest("C", "r.fadref", "O", "mert", "W", ("fad", "kad"), "test", ("a", "b"), 3, workers=2, quiet=True),
    ]


def test_the_help_of_fad_names_the_default_embedder_and_measures():
    from raysep.commands.fad import fad
    from raysep.probes.embedders import registry
    from raysep.probes.fad.measures import MEASURES

    shown = {p.name: p.help for p in typer.main.get_command(cli.app).commands["fad"].params if p.name != "corpus"}
    assert f"else {registry.DEFAULT})" in shown["embedder"]
    assert f"else {','.join(fad.DEFAULT_MEASURES)})" in shown["measures"]
    assert ", ".join(MEASURES) in shown["measures"]


def test_the_options_of_separate_reach_the_stage(raysep, monkeypatch):
    from raysep.commands.separate import separate

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


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            "training: {step: 3}",
            "training.step: there is no such setting; did you mean training.steps? known here: accum",
        ),
        (
            "scorings: {batch: 3}",
            "scorings: there is no such setting; did you mean scoring? known here: decision, labels",
        ),
    ],
)
def test_a_misspelt_setting_is_answered_with_the_one_that_may_be_meant(raysep, tmp_path, given, words):
    command = ("clean", "/no/corpus", "--reference", "R", "--out", str(tmp_path / "out"))
    (tmp_path / "my.yaml").write_text(given)
    code, _, error = raysep(*command, "--config", str(tmp_path / "my.yaml"))
    assert (code, error.startswith(f"raysep: {words}")) == (2, True)
    ((section, settings_),) = yaml.safe_load(given).items()
    ((name, value),) = settings_.items()
    assert raysep(*command, "--set", f"{section}.{name}={value}") == (code, "", error)


def test_settings_are_checked_before_any_file_is(raysep, monkeypatch):
    request = pipeline.Request("/no/such/corpus", "R", "O", overrides={"labels": "vocals"})
    with pytest.raises(BadInput, match=r"labels = .*two or more"):
        pipeline.prepare(request)
    with pytest.raises(BadInput, match="--preset huge"):
        pipeline.prepare(pipeline.Request("/no/such/corpus", "R", "O", preset="huge"))
