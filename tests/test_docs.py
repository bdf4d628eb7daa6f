"""What the documents say is checked against the code: command lines, links, settings, tables, and the walkthrough."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from raysep import cli
from raysep import config as settings
from raysep.commands.export import forms
from raysep.corpus import benchmark, conditions, faults, harm, manifest, truth
from raysep.corpus.inputs import read_inputs
from raysep.decision import handling
from raysep.probes.catalogue import PROBES

sys.path.insert(0, str(Path(__file__).parent))  # the same helper module under any import mode of pytest

from command_lines import commands, options, parse, words_of

ROOT = Path(__file__).resolve().parents[1]
AT_THE_TOP = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")
PAGES = sorted((*(ROOT / name for name in AT_THE_TOP), *(ROOT / "docs").glob("*.md")))
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def named(pages):
    return pytest.mark.parametrize("page", pages, ids=[p.name for p in pages])


def command_lines(page: Path) -> list[str]:
    """The ``raysep …`` lines of the fenced blocks, continued lines joined."""
    blocks = [body.replace("\\\n", " ") for _, body in FENCED.findall(page.read_text())]
    lines = [line.strip().removeprefix("$ ") for body in blocks for line in body.splitlines()]
    return [line for line in lines if line.startswith("raysep ")]


def inline_code(page: Path) -> list[str]:
    return INLINE.findall(FENCED.sub("", page.read_text()))


def table(page: Path, header: str) -> list[list[str]]:
    """The cells of the rows of the table whose header line begins with ``header``."""
    rows = page.read_text().partition(f"\n{header}")[2].partition("\n\n")[0].splitlines()[2:]
    assert rows, f"{page.name} has no table {header!r}"
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def doc(name: str) -> Path:
    return ROOT / "docs" / name


LINES = [(page.name, line) for page in PAGES for line in command_lines(page)]


@pytest.mark.parametrize(("page", "line"), LINES, ids=[f"{page}: {line}" for page, line in LINES])
def test_every_command_line_is_accepted_by_the_parser(page, line):
    parameters = parse(words_of(line))
    for assignment in parameters.get("settings") or []:
        settings.from_dict(settings.parse_assignment(assignment))


def test_the_documents_show_every_command():
    shown = {tuple(words_of(line)[:length]) for _, line in LINES for length in (1, 2)}
    assert [name for name in commands() if name not in shown and name != ("demo",)] == []


@named(PAGES)
def test_commands_options_and_settings_in_running_text_exist(page):
    known, first_words = options(), {name[0] for name in commands()}
    config = settings.to_dict(settings.Config())
    for code in inline_code(page):
        words = [w for w in code.split() if w != "…"]
        if words[:1] == ["raysep"] and len(words) > 1 and not words[1].startswith("-"):
            assert words[1] in first_words, code
        if words[:1] in (["raysep"], []) or code.startswith("--"):
            assert {w.partition("=")[0] for w in words if w.startswith("--")} <= known, code
        section, _, name = words[0].partition(".") if words else ("", "", "")
        if isinstance(config.get(section), dict) and name.isidentifier() and name != "parquet":
            assert name in config[section], code


@named(PAGES)
def test_every_relative_link_points_to_a_file(page):
    for target in LINK.findall(FENCED.sub("", page.read_text())):
        path = target.partition("#")[0]
        if path and not re.match(r"[a-z]+:", path):
            assert (page.parent / path).exists(), f"{page.name}: {target}"


@named(PAGES)
def test_python_in_the_documents_compiles(page):
    for language, body in FENCED.findall(page.read_text()):
        if language == "python":
            compile(body, page.name, "exec")


# Tables


def test_the_table_of_probes_is_the_catalogue():
    rows = table(doc("how-a-stem-is-scored.md"), "| probe | context |")
    expected = [
        [f"`{p.name}`", p.context, "+".join(p.networks), "cleaner" if p.oriented else "no direction", f"{p.passes:g}"]
        for p in PROBES.values()
    ]
    assert [row[:5] for row in rows] == expected
    assert all(row[5] for row in rows)


def test_the_table_of_handlings_is_the_registry():
    rows = table(doc("how-the-ratio-is-found.md"), "| handling |")
    found = {row[0].split("`")[1]: row[1] for row in rows}
    assert found == {name: handling.resolve(name).about for name in handling.HANDLINGS}


def test_the_table_of_forms_is_the_registry():
    rows = {row[0].strip("`"): row[1] for row in table(doc("export.md"), "| form |")}
    assert rows == {name: forms.resolve(name).about for name in forms.FORMS}


def test_the_table_of_presets_is_the_configuration():
    rows = {row[0].strip("`"): row for row in table(doc("own-stems.md"), "| preset |")}
    assert list(rows) == list(settings.PRESETS)
    for name, row in rows.items():
        config = settings.preset(name)
        layers = "1 layer" if config.network.layers == 1 else f"{config.network.layers} layers"
        assert row[2:] == [f"{config.network.hidden} units, {layers}", str(config.training.steps)]
    assert [settings.preset_for(hours * 3600) for hours in (2.9, 3, 23.9, 24)] == ["tiny", "small", "small", "full"]


def test_the_tables_of_the_benchmark_are_the_simulators():
    page = doc("benchmark.md")
    expected = [
        [f"`{name}`", *map(str, (s.train, s.reference, s.test)), f"{s.seconds:g}", str(s.sample_rate)]
        for name, s in benchmark.BENCHMARKS.items()
    ]
    assert table(page, "| size |") == expected
    for row, (name, c) in zip(table(page, "| condition |"), conditions.CONDITIONS.items(), strict=True):
        kinds = "all ten" if c.kinds == faults.KINDS else ", ".join(c.kinds)
        reference = "the size's" if c.reference is None else str(c.reference)
        assert row == [f"`{name}`", kinds, ", ".join(c.severities), f"{c.share:g}", reference]
    measured = [[f"`{m.kind}`", m.severity, f"{m.db + 1e-9:.2f}"] for m in harm.stored().rows]
    assert table(page, "| kind | severity |") == measured
    rows = {row[0].strip("`"): row[2:] for row in table(page, "| kind | what")}
    assert tuple(rows) == faults.KINDS
    shown = {
        "bleed-one": (faults.BLEED_GAIN_DB, lambda v: f"{v[0]:g}…{v[1]:g} dB"),
        "bleed-all": (faults.BLEED_GAIN_DB, lambda v: f"{v[0]:g}…{v[1]:g} dB"),
        "clip": (faults.CLIPPED_SHARE, lambda v: f"{100 * v[0]:g}…{100 * v[1]:g} %"),
        "noise": (faults.NOISE_SNR_DB, lambda v: f"{v:g} dB"),
        "lowpass": (faults.LOWPASS_CUTOFF, lambda v: f"{v[0]:.2f}…{v[1]:.2f}"),
        "dropout": (faults.DROPOUT_SHARE, lambda v: f"{100 * v:g} %"),
        "delay": (faults.DELAY_SECONDS, lambda v: f"{1000 * v[0]:g}…{1000 * v[1]:g} ms"),
    }
    for kind, (values, text) in shown.items():
        assert rows[kind] == [text(values[severity]) for severity in faults.SEVERITIES], kind
    for severity, cell in zip(faults.SEVERITIES, rows["codec"], strict=True):
        low, high = faults.CODEC_LEVEL[severity]
        assert cell.startswith(f"{low:.2f}…{high:.2f}, {'both' if faults.CODEC_PASSES[severity] == 2 else 'once'}")
        assert ("half the rate" in cell) == (faults.CODEC_RATE[severity] == 2)


# The walkthrough


def test_the_training_example_fits_musdb_as_it_comes(tmp_path, monkeypatch):
    for folder, track in (("MUSDB18-HQ/train", "A"), ("MUSDB18-HQ/test", "B"), ("VALIDATION", "C")):
        (tmp_path / folder / track).mkdir(parents=True)
        for label in settings.LABELS:
            soundfile.write(tmp_path / folder / track / f"{label}.wav", np.zeros((800, 2)), 8000)
    monkeypatch.chdir(tmp_path)
    told = parse(words_of(next(line for line in command_lines(doc("training.md")) if "MUSDB18-HQ" in line)))
    found = read_inputs(told["corpus"], None, told["test"], settings.LABELS, told["validation"])
    assert [{s.track for s in part} for part in (found.corpus, found.test, found.validation)] == [{"A"}, {"B"}, {"C"}]


@pytest.mark.slow
def test_the_walkthrough_with_made_songs_runs_up_to_the_manifest(tmp_path, monkeypatch):
    lines = command_lines(doc("own-stems.md"))
    assert [words_of(line)[0] for line in lines[:3]] == ["synth", "contaminate", "scan"]
    monkeypatch.chdir(tmp_path)
    for line in lines[:3]:
        monkeypatch.setattr(sys, "argv", ["raysep", *words_of(line)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        assert not end.value.code, line
    stems = manifest.read("manifest.parquet")
    assert len(stems) == 12 * 4
    assert {(s.sample_rate, s.frames) for s in stems} == {(8000, 48000)}
    rows = truth.read("spoilt-truth.parquet")
    assert {row["stem_id"] for row in rows} == {s.stem_id for s in stems}
    assert any(row["kind"] != truth.CLEAN for row in rows)


@pytest.mark.slow
def test_the_split_of_musdb_runs_and_its_parts_can_be_used(tmp_path, monkeypatch, write_tracks, raysep):
    write_tracks(tmp_path / "MUSDB18-HQ" / "train", [f"Artist {n} - Song" for n in range(10)], seconds=0.5)
    monkeypatch.chdir(tmp_path)
    line = next(line for line in command_lines(doc("planning.md")) if line.startswith("raysep contaminate"))
    assert raysep(*words_of(line))[0] == 0
    (snippet,) = (body for language, body in FENCED.findall(doc("planning.md").read_text()) if language == "python")
    exec(compile(snippet, "planning.md", "exec"), {})
    trusted, corpus = (manifest.read(f"{name}.parquet") for name in ("trusted", "corpus"))
    assert ({s.track for s in trusted} | {s.track for s in corpus}) == {f"Artist {n} - Song" for n in range(10)}
    assert (len(trusted), len(corpus)) == (2 * 4, 8 * 4)
    assert all("MUSDB18-HQ" in s.uri for s in trusted)
    assert all("/spoilt/" in s.uri for s in corpus)
    found = read_inputs("corpus.parquet", "trusted.parquet", None, settings.LABELS)
    assert (len(found.corpus), len(found.reference)) == (32, 8)


def test_a_newcomer_hears_the_worst_second_after_six_commands_at_most():
    """README's own lines from the clone, which it counts, to the page with the players; the tests may wait."""
    text = (ROOT / "README.md").read_text()
    told, found, _ = text.partition("![")
    assert found
    lines = [line.partition("  #")[0].strip() for _, body in FENCED.findall(told) for line in body.splitlines()]
    path = ["git clone", *(line for line in lines if not line.startswith("make test"))]
    assert len(path) <= 6
    assert f"With the clone before it these are {('four', 'five', 'six')[len(path) - 4]} commands" in text
    assert path[1] == "make demo"
    assert path[-1] == f'python -m webbrowser "file://$PWD/{parse(["demo"])["out"]}/report.html"'
