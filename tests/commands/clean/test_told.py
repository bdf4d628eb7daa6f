"""One verdict, told five times: by the terminal, the page, `decide`, `status` and as JSON; of four kinds of run."""

from __future__ import annotations

import html
import json
import re

import pyarrow as pa
import pytest

from raysep import config as settings
from raysep.corpus import manifest, outputs
from raysep.decision import handling
from raysep.decision.handling.reading import rows_of
from raysep.errors import OutputError
from raysep.report.verdict import plain
from raysep.rundir import Run
from raysep.stages import decide, prove
from tests.decision.conftest import make_world

# kind → the simulated world, and the rule
WORLDS = {
    "usual": ({"share": 0.4, "tracks": 30, "calibration": 40}, {}),
    "clean": ({"share": 0.0, "tracks": 30, "calibration": 40}, {}),
    "refused": ({"share": 0.4, "tracks": 8, "calibration": 2}, {}),
    "floored": ({"share": 0.5, "tracks": 4}, {"rule": "ratio", "ratio": 0.5}),
}


def results(seeds: int, gain: float = 0.5) -> pa.Table:
    """SDR of two arms on six tracks: ``gain`` dB apart, a little more or less from track to track."""
    rows = [
        {
            **{"arm": arm, "seed": seed, "track": f"t{track}", "stem": stem, "trained_stems": 40, "residue": None},
            "sdr": 3.0 + track + (gain + 0.02 * (track % 3)) * (arm == "cleaned"),
            "framewise_sdr": 2.0,
        }
        for arm in ("contaminated", "cleaned")
        for seed in range(seeds)
        for track in range(6)
        for stem in ("bass", "vocals")
    ]
    return pa.Table.from_pylist(rows, schema=prove.RESULTS)


@pytest.fixture(scope="module")
def runs(tmp_path_factory, make_context_in, make_stems) -> dict[str, Run]:
    """A finished run of each kind, decided by the real rules from simulated scores."""
    made = {}
    for kind, (world, rule) in WORLDS.items():
        context = make_context_in(tmp_path_factory.mktemp(kind) / "run", decision=rule)
        run, stems = context.run, make_world(3, strength=3.0, silent=1, failed=1, **world).stems
        record = {
            "config": settings.to_dict(context.config),
            "corpus": "C",
            "reference": "R",
            "versions": {"raysep": "0"},
        }
        run.open("abc", record)
        tracks = sorted({row["track"] for row in stems.to_pylist() if row["role"] == "corpus"})
        corpus = make_stems(tracks)
        manifest.write(run.path("manifest.parquet"), corpus)
        run.write_table(stems, "stems.parquet")
        table = decide.table_again(run, {})
        run.write_table(table, "decision.parquet")
        rows = rows_of(table)
        name = context.config.decision.handling
        handled = decide.told_of(name, handling.use(name, rows, corpus), rows, stems)
        run.write_json(decide.summarise(run, table) | {"handled": handled}, "summary.json")
        failed = [row for row in table.to_pylist() if row["outcome"] == "failed"]
        run.write_table(
            pa.Table.from_pylist([{**row, "error": "AudioError", "message": "cut"} for row in failed]), "failed.parquet"
        )
        run.write_table(results(3 if kind == "usual" else 1), "results.parquet")
        made[kind] = run
    return made


def page_of(run: Run) -> str:
    """The words of the page as a reader sees them."""
    source = re.sub(r"<(style|script).*?</\1>", "", run.read_bytes("report.html").decode(), flags=re.DOTALL)
    return " ".join(plain(html.unescape(re.sub(r"<[^>]+>", " ", source))).split())


@pytest.mark.parametrize("kind", WORLDS)
@pytest.mark.slow
def test_all_five_say_the_same(raysep, runs, kind, tmp_path):
    run = runs[kind]
    code, report, _ = raysep("report", run.root)
    assert code == 0
    verdict = json.loads(raysep("report", run.root, "--json")[1])["verdict"]
    status = json.loads(raysep("status", run.root, "--json")[1])
    assert status["verdict"] == verdict
    assert (status["kind"], status["failed"], status["report"]) == ("clean", 1, run.path("report.html"))
    told, page = raysep("status", run.root)[1], page_of(run)
    assert len(verdict["sentences"]) >= 3
    for sentence in verdict["sentences"]:
        assert sentence in report.splitlines()
        assert sentence in told.splitlines()
        assert sentence in page
    out = str(tmp_path / "again.parquet")
    again = json.loads(raysep("decide", run.root, "--out", out, "--json")[1])["verdict"]
    for name in ("share", "counts", "none_removed", "none_removed_by"):
        assert again[name] == verdict[name]
    assert again["effect"] == "unmeasured"  # nothing was trained on that decision
    assert again["sentences"] == verdict["sentences"][1:]
    if kind == "floored":  # the quickest
        words = raysep("decide", run.root, "--out", out)[1].splitlines()
        assert words[: len(again["sentences"])] == again["sentences"]


@pytest.mark.slow
def test_each_kind_is_told_for_what_it_is(raysep, runs):
    found = {kind: json.loads(raysep("status", run.root, "--json")[1])["verdict"] for kind, run in runs.items()}
    assert found["usual"]["effect"] == "helped"
    assert found["usual"]["share"]["known"]
    assert found["usual"]["counts"]["removed"] > 10
    assert found["usual"]["none_removed"] is None
    assert found["clean"]["none_removed_by"] in ("clean", "threshold")
    assert found["refused"]["none_removed_by"] == "refused"
    assert not found["refused"]["share"]["known"]
    assert found["refused"]["sentences"][1].startswith("How many stems are wrong is not known: ")
    assert found["floored"]["none_removed_by"] == "floor"
    assert "the floor keeps 4 stems of each label" in found["floored"]["none_removed"]
    for kind, verdict in found.items():
        counts = verdict["counts"]
        assert counts["stems"] == counts["kept"] + counts["removed"] + counts["failed"], kind
        assert (counts["silent"], counts["failed"]) == (1, 1)
        if kind != "usual":  # one seed each
            assert verdict["effect"] == "unclear"
            assert runs[kind].has("report.html") or raysep("report", runs[kind].root)[0] == 0
            assert "Yes" not in page_of(runs[kind]).partition("How much was wrong?")[0]


# Runs of other commands


def made_by(folder, record: dict) -> Run:
    run = Run(str(folder))
    run.open("abc", record)
    return run


def test_what_was_found_is_printed_where_its_page_cannot_be_written(raysep, runs, monkeypatch):
    def refused(uri: str, option: str) -> str:
        raise OutputError(f"{option} {uri}: cannot be written (Read-only file system)")

    monkeypatch.setattr(outputs, "try_file", refused)
    monkeypatch.setattr("raysep.report.page.write", None)  # nothing is drawn in vain
    code, output, error = raysep("report", runs["usual"].root)
    assert (code, len(error.splitlines())) == (1, 1)
    assert "report.html: cannot be written (Read-only" in error
    assert "contaminated" in output


def test_a_training_is_known_to_status_and_report(raysep, tmp_path):
    config = settings.to_dict(settings.Config())
    run = made_by(tmp_path / "run", {"config": config, "reference": None, "test": "T"})
    told = raysep("status", run.root)[1]
    assert [line.split()[0] for line in told.splitlines()[2:]] == ["check", "retrain", "evaluate"]
    code, _, error = raysep("report", run.root)
    assert (code, "was trained without --test" in error) == (2, True)
    run.write_bytes(b"", "test.parquet")
    assert "has no results.parquet yet; start its `raysep train` again" in raysep("report", run.root)[2]
    rows = [{**row, "arm": "separator"} for row in results(1).to_pylist() if row["arm"] == "cleaned"]
    run.write_table(pa.Table.from_pylist(rows, schema=prove.RESULTS), "results.parquet")
    code, output, _ = raysep("report", run.root)
    assert code == 0
    assert "│ separator  │    40 │ 6.02 │" in output
    arms = json.loads(raysep("report", run.root, "--json")[1])["arms"]
    assert [(arm["arm"], round(arm["sdr_mean"], 2)) for arm in arms] == [("separator", 6.02)]


def test_an_evaluation_is_known_to_status_and_report(raysep, tmp_path):
    from raysep.commands.evaluate import tables

    run = made_by(tmp_path / "run", {"models": [], "corpus": "C"})
    assert raysep("status", run.root)[1].splitlines()[2].split() == ["evaluate", "not", "done"]
    assert "start its `raysep evaluate` again" in raysep("report", run.root)[2]
    rows = [{**row, "model": row["arm"], "outcome": "scored", "message": ""} for row in results(3).to_pylist()]
    run.write_json(tables.standings(rows, ["sdr"], "contaminated", draws=50), "evaluation.json")
    code, output, _ = raysep("report", run.root)
    assert code == 0
    assert "+0.52" in output
    assert json.loads(raysep("report", run.root, "--json")[1])["comparisons"][0]["verdict"] == "better"


def test_a_folder_of_another_command_has_no_report(raysep, tmp_path):
    run = made_by(tmp_path / "run", {"corpus": "C"})
    code, _, error = raysep("report", run.root)
    assert code == 2
    assert "no run of clean, train or evaluate" in error
    assert raysep("status", run.root)[0] == 0


def test_a_training_with_test_tracks_prints_its_sdr(raysep, alone, write_tracks, tmp_path, monkeypatch):
    """Also with -q, which hides progress alone. The training itself is made up."""
    from raysep.stages import check

    def trained(context, arms, test):
        rows = [{**row, "arm": arms[0].name} for row in results(1).to_pylist() if row["arm"] == "cleaned"]
        context.run.write_table(pa.Table.from_pylist(rows, schema=prove.RESULTS), "results.parquet")

    monkeypatch.setattr(prove, "train_and_evaluate", trained)
    monkeypatch.setattr(check, "look_for_twins", lambda *_: None)
    places = {name: write_tracks(tmp_path / name, [name], seconds=0.5) for name in ("corpus", "test")}
    words = (
        "train",
        places["corpus"],
        "--test",
        places["test"],
        "--out",
        str(tmp_path / "run"),
        "--preset",
        "smallest",
    )
    code, output, error = raysep(*words, "-q")
    assert (code, error) == (0, "")
    assert "│ separator  │    40 │ 6.02 │" in output
    assert output.splitlines()[-1] == f"trained: {tmp_path / 'run' / 'checkpoints'}"
    assert "SDR" not in raysep(*words[:2], "--out", str(tmp_path / "other"), *words[-2:], "-q")[1]
