"""`raysep config`: what it prints says what each setting means, and is accepted again."""

from __future__ import annotations

import subprocess
import sys

import pytest
import yaml

from raysep import config
from raysep.commands.config import described
from raysep.errors import BadInput

ROWS = {setting.name: setting for setting in described.every_setting()}


@pytest.mark.parametrize("preset", config.PRESETS)
def test_what_is_printed_reads_back_to_the_same_settings(raysep, preset):
    made = config.preset(preset)
    code, text, _ = raysep("config", "--preset", preset)
    assert code == 0
    assert config.from_dict(config.read_yaml(text, "printed")) == made
    assert yaml.safe_load(text) == config.to_dict(made)


def test_values_of_every_kind_read_back():
    changes = {
        "labels": ["vocals", "no", "3", "a: b"],
        "network": {"model": "my.nets:Net", "arguments": {"widths": [1, 2], "deep": {"er": None}, "on": True}},
        "training": {"learning_rate": 1e-7, "warmup": 3, "augment": []},
        "scoring": {"embedder_weights": "s3://a place/with #and 'quotes'", "alpha": 1e300},
    }
    made = config.from_dict(changes)
    assert config.from_dict(config.read_yaml(described.as_yaml(made), "printed")) == made


def test_above_each_setting_stands_what_it_means_and_may_be():
    comment = ""
    seen = []
    for line in described.as_yaml(config.Config()).splitlines():
        if line.lstrip().startswith("#"):
            comment += " " + line.lstrip(" #")
            continue
        key = line.partition(":")[0].strip()
        if line and not line.endswith(":"):
            setting = next(row for row in ROWS.values() if row.key == key and row.name not in seen)
            assert comment.strip() == f"{setting.about}; must be {setting.allowed}"
            seen.append(setting.name)
        comment = ""
    assert seen == list(ROWS)


def test_every_setting_is_described_with_its_value_in_each_preset():
    assert list(ROWS)[:4] == ["labels", "sample_rate", "seed", "rounds"]
    for name, row in ROWS.items():
        for preset, value in {"": row.default, **row.presets}.items():
            made = config.preset(preset) if preset else config.Config()
            for part in name.split("."):
                made = getattr(made, part)
            assert value == made
    values = config.to_dict(config.Config())
    names = [f"{k}.{inner}" for k, v in values.items() if isinstance(v, dict) for inner in v]
    assert set(names) < set(ROWS)
    assert len(ROWS) == len(names) + 4


def test_one_setting_is_explained(raysep):
    code, text, _ = raysep("config", "training.steps")
    assert code == 0
    lines = text.splitlines()
    assert lines[:2] == ["training.steps", f"  {ROWS['training.steps'].about}"]
    told = dict(line.strip().split("  ", 1) for line in lines[2:])
    told = {name: value.strip() for name, value in told.items()}
    steps = {name: config.preset(name).training.steps for name in config.PRESETS}
    assert told == {"range": "1 or more", "default": "20000"} | {f"--preset {n}": str(s) for n, s in steps.items()}


def test_a_section_is_explained_setting_by_setting(raysep):
    code, text, _ = raysep("config", "decision")
    assert code == 0
    expected = [name for name in ROWS if name.startswith("decision.")]
    assert [line for line in text.splitlines() if line and not line.startswith(" ")] == expected


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "training.step",
            r"^training\.step: there is no such setting; did you mean training\.steps\? known here: .*workers",
        ),
        ("trainig", r"^trainig: there is no such setting; did you mean training\? known here: decision, .*training"),
        ("trainig.steps", r"^trainig: there is no such setting; did you mean training\? known here: decision"),
        ("floor", r"^floor: there is no such setting; did you mean decision\.floor\? "),
        ("seed.x", r"^seed\.x: there is no such setting; did you mean seed\? "),
        ("zzz", r"^zzz: there is no such setting; known here: "),
    ],
)
def test_a_name_that_is_none_is_asked_about(name, words):
    with pytest.raises(BadInput, match=words):
        described.named(name)


def test_it_answers_without_torch_and_ray():
    script = (
        "import sys\nfrom raysep.commands.config import described\nfrom raysep import config\n"
        "described.as_yaml(config.Config()), described.every_setting()\n"
        "print([name for name in ('torch', 'ray', 'pyarrow', 'numpy') if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert shown.stdout == "[]\n"
