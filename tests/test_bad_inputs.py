"""What goes wrong at a command line: one line, the right exit code, and nothing that was there is touched.

Every case ends before Ray is started. ``CORPUS``, ``RUN`` and the other capitals are places that the fixture ``places`` makes;
``NOPE`` is none.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from raysep import config as settings
from raysep.corpus import manifest
from raysep.rundir import Run

CLEAN = ("clean", "CORPUS", "--reference", "REF", "--out", "OUT")
DECIDE = ("decide", "RUN", "--out", "OUT.parquet")
TRAIN = ("train", "CORPUS", "--out", "OUT")
EVALUATE = ("evaluate", "GARBAGE.safetensors", "CORPUS", "--out", "OUT")
SUSPECTS = ("suspects", "RUN")
REVIEW = ("review", "RUN", "YOURS.csv")

# (words of the command line, exit code, what the line says)
BAD = [
    (("clean", "NOPE", *CLEAN[2:]), 2, "NOPE: no such folder"),
    (("clean", "EMPTY", *CLEAN[2:]), 2, "EMPTY"),
    (("clean", "NOTES.txt", *CLEAN[2:]), 2, "NOTES.txt"),
    (("clean", "GARBAGE.parquet", *CLEAN[2:]), 2, "GARBAGE.parquet"),
    (("clean", "CORPUS", "--reference", "NOPE", "--out", "OUT"), 2, "NOPE: no such folder"),
    (("clean", "CORPUS", "--reference", "CORPUS", "--out", "OUT"), 2, "corpus"),
    (("clean", "CORPUS", "--out", "OUT"), 2, "Missing option '--reference'"),
    ((*CLEAN, "--test", "NOPE"), 2, "NOPE: no such folder"),
    ((*CLEAN[:-1], "NOTES.txt"), 2, "NOTES.txt: is a file"),
    ((*CLEAN[:-1], "NOTES.txt/below"), 1, "NOTES.txt/below: cannot be written"),
    ((*CLEAN[:-1], "CORPUS"), 2, "--out CORPUS: is the corpus itself"),
    ((*CLEAN[:-1], "REF"), 2, "--out REF: is the reference itself"),
    ((*CLEAN[:-1], "CORPUS/run"), 2, "--out CORPUS/run: lies in the corpus"),
    ((*CLEAN[:-1], "REF/A/run"), 2, "--out REF/A/run: lies in the reference"),
    ((*CLEAN[:-1], "."), 4, "is not empty and holds no run.json"),
    ((*CLEAN[:-1], "ftp://host/run"), 2, "ftp://host/run"),
    ((*CLEAN, "--preset", "huge"), 2, "--preset huge: there is no such preset"),
    ((*CLEAN, "--set", "training.steps=many"), 2, "training.steps"),
    ((*CLEAN, "--set", "training.steps=-1"), 2, "training.steps"),
    ((*CLEAN, "--set", "training.stepz=3"), 2, "did you mean"),
    ((*CLEAN, "--set", "training"), 2, "training"),
    ((*CLEAN, "--set", "decision.handling=dance"), 2, "handling 'dance'"),
    ((*CLEAN, "--set", "network.model=unet"), 2, "unet"),
    ((*CLEAN, "--set", "proof.arms=[cleaned, dance]"), 2, "dance"),
    ((*CLEAN, "--config", "NOPE.yaml"), 2, "NOPE.yaml: no such file"),
    ((*CLEAN, "--config", "GARBAGE.parquet"), 2, "GARBAGE.parquet: not a text file"),
    ((*CLEAN, "--config", "NOTES.txt"), 2, "NOTES.txt"),
    ((*CLEAN, "--labels", "vocals,vocals"), 2, "vocals"),
    ((*CLEAN, "--labels", "kazoo"), 2, "kazoo"),
    ((*CLEAN, "--layout", "dance"), 2, "dance"),
    ((*CLEAN, "--layout", "no.such:Layout"), 2, "no.such"),
    ((*CLEAN, "--until", "score"), 2, "--until score: the only place"),
    ((*CLEAN, "--after", "NOPE"), 2, "NOPE: no run here"),
    ((*CLEAN, "--limit", "0"), 2, "'--limit'"),
    ((*CLEAN, "--workers", "none"), 2, "--workers none"),
    (("score", "NOPE", *CLEAN[2:]), 2, "NOPE: no such folder"),
    (("prove", "NOPE"), 2, "NOPE: no run here"),
    (("prove", "BEGUN"), 2, "has no decision.parquet yet"),
    ((*DECIDE, "--rule", "dance"), 2, "dance"),
    ((*DECIDE, "--ratio", "2"), 2, "decision.ratio"),
    ((*DECIDE, "--threshold", "nan"), 2, "decision.threshold"),
    ((*DECIDE, "--rule", "ratio", "--probe", "luck"), 2, "luck"),
    (("decide", "BEGUN", "--out", "OUT.parquet"), 2, "has no stems.parquet yet"),
    (("decide", "RUN", "--out", "OUT.txt"), 2, "must end in .parquet or .csv"),
    (("decide", "RUN", "--out", "MINE.csv"), 4, "MINE.csv: exists already"),
    (("decide", "RUN", "--out", "CORPUS.parquet"), 4, "CORPUS.parquet: exists already"),
    (("decide", "RUN", "--out", "EMPTY"), 2, "EMPTY"),
    ((*DECIDE, "--verdicts", "NOPE.csv"), 2, "NOPE.csv"),
    ((*DECIDE, "--verdicts", "GARBAGE.parquet"), 2, "GARBAGE.parquet"),
    ((*DECIDE, "--verdicts", "MINE.csv"), 2, "perhaps"),
    (("review", "NOPE"), 2, "NOPE: no run here"),
    (("review", "BEGUN", "YOURS.csv"), 2, "has no decision.parquet yet"),
    (("review", "RUN", "--json"), 2, "--json: comes with verdicts"),
    (("review", "RUN", "NOPE.csv"), 2, "NOPE.csv: no such file"),
    (("review", "RUN", "GARBAGE.parquet"), 2, "GARBAGE.parquet"),
    (("review", "RUN", "MINE.csv"), 2, "perhaps"),
    (("review", "RUN", "STRANGE.csv"), 2, "STRANGE.csv: none of its 2 verdicts names a stem of"),
    (("review", "RUN", "UNSAID.csv"), 2, "UNSAID.csv: says nothing"),
    ((*REVIEW, "--out", "OUT.txt"), 2, "must end in .parquet or .csv"),
    ((*REVIEW, "--out", "MINE.csv"), 4, "MINE.csv: exists already"),
    ((*REVIEW, "--out", "RUN/decision.parquet"), 4, "decision.parquet: exists already"),
    ((*REVIEW, "--out", "PAGE.parquet"), 4, "PAGE.html: exists already"),
    ((*REVIEW, "--out", "NOTES.txt/x.parquet"), 1, "NOTES.txt/x.parquet: cannot be written"),
    (("status", "NOPE"), 2, "NOPE: no run here"),
    (("status", "NOTES.txt"), 2, "NOTES.txt: no run here"),
    (("status", "TORN"), 2, "TORN/run.json"),
    (("report", "BEGUN"), 2, "has no summary.json yet"),
    (("report", "TORN"), 2, "TORN/run.json"),
    (("config", "training.stepz"), 2, "training.stepz"),
    (("convert", "NOPE", "OUT.safetensors"), 2, "NOPE"),
    (("convert", "GARBAGE.safetensors", "OUT"), 2, "GARBAGE.safetensors"),
    (("convert", "NOTES.txt", "OUT.safetensors"), 2, "NOTES.txt: no such folder"),
    (("scan", "EMPTY", "--out", "OUT.parquet"), 2, "EMPTY"),
    (("scan", "CORPUS", "--out", "OUT.csv"), 2, "OUT.csv: must end in .parquet"),
    (("scan", "CORPUS", "--out", "RUN/stems.parquet"), 4, "exists already"),
    (("synth", "OUT", "--sample-rate", "100"), 2, "'--sample-rate'"),
    (("synth", "NOTES.txt", "--songs", "1"), 2, "NOTES.txt: is a file"),
    (("synth", "OUT", "--songs", "1", "--font", "NOPE.sf2"), 2, "NOPE.sf2"),
    (("synth", "OUT", "--songs", "1", "--font", "NOTES.txt"), 2, "NOTES.txt"),
    (("contaminate", "CORPUS", "--out", "OUT", "--share", "2"), 2, "'--share'"),
    (("contaminate", "CORPUS", "--out", "OUT", "--kind", "rain"), 2, "rain"),
    (("contaminate", "CORPUS", "--out", "CORPUS"), 2, "CORPUS"),
    (("contaminate", "EMPTY", "--out", "OUT"), 2, "EMPTY"),
    (("evaluate", "NOPE", "CORPUS", "--out", "OUT"), 2, "NOPE"),
    (EVALUATE, 2, "GARBAGE.safetensors"),
    (("evaluate", "BEGUN", "CORPUS", "--out", "OUT"), 2, "BEGUN"),
    ((*EVALUATE, "--metrics", "beauty"), 2, "beauty"),
    ((*EVALUATE, "--backend", "ear"), 2, "ear"),
    ((*EVALUATE, "--filter", "paper"), 2, "--filter paper"),
    (("export", "NOPE", "--to", "OUT", "--form", "list"), 2, "NOPE"),
    (("export", "RUN", "--to", "OUT", "--form", "dance"), 2, "dance"),
    (("export", "RUN", "--to", "OUT", "--form", "msst", "--decision", "NOPE.parquet"), 2, "NOPE.parquet"),
    (("export", "RUN", "--to", "OUT", "--form", "copies"), 2, "RUN: none of its 40 stems' files is there"),
    (("fad", "CORPUS", "--reference", "NOPE", "--out", "OUT"), 2, "NOPE"),
    (("fad", "CORPUS", "--reference", "RUN", "--out", "OUT"), 2, "RUN: the folder of a run"),
    (("evaluate", "GARBAGE.safetensors", "RUN", "--out", "OUT"), 2, "GARBAGE.safetensors"),
    (("train", "RUN", "--out", "OUT"), 2, "RUN: the folder of a run"),
    (("fad", "CORPUS", "--reference", "REF", "--out", "OUT", "--embedder", "ear"), 2, "ear"),
    (("separate", "NOPE", "CORPUS/A/vocals.wav", "--out", "OUT"), 2, "NOPE"),
    (("separate", "GARBAGE.safetensors", "CORPUS/A/vocals.wav", "--out", "OUT"), 2, "GARBAGE.safetensors"),
    (("submit", "dance", "x"), 2, "dance: there is no such job"),
    ((*SUSPECTS, "--label", "kazoo"), 2, "--label kazoo: the run's labels are"),
    ((*SUSPECTS, "--csv", "OUT.txt"), 2, "must end in .csv"),
    ((*SUSPECTS, "--csv", "MINE.csv"), 4, "MINE.csv: exists already"),
    ((*SUSPECTS, "--top", "few"), 2, "'--top'"),
    (("suspects", "BEGUN"), 2, "has no decision.parquet yet"),
    (("train", "NOPE", "--out", "OUT"), 2, "NOPE: no such folder"),
    ((*TRAIN, "--decision", "GARBAGE.parquet"), 2, "GARBAGE.parquet: no decision table"),
    ((*TRAIN, "--decision", "CORPUS.parquet"), 2, "CORPUS.parquet: no decision table"),
    (("train", "CORPUS.parquet", "--out", "OUT"), 2, "CORPUS.parquet: none of its 40 stems' files is there"),
    (("train", "CORPUS", "--out", "CORPUS/A/run"), 2, "lies in the corpus"),
    ((*TRAIN, "--handling", "drop"), 2, "give --decision too"),
    ((*TRAIN, "--validation", "NOPE"), 2, "NOPE: no such folder"),
    (("tune", "NOPE"), 2, "NOPE: no run here"),
    (("tune", "BEGUN"), 2, "has no stems.parquet yet"),
    (("check", "NOPE", "--out", "OUT"), 2, "NOPE: no such folder"),
    (("check", "EMPTY", "--out", "OUT"), 2, "EMPTY"),
    (("check", "CORPUS", "--out", "NOTES.txt"), 2, "NOTES.txt"),
    (("benchmark", "detection", "RUN", "NOPE.parquet"), 2, "NOPE.parquet"),
    (("benchmark", "detection", "RUN", "GARBAGE.parquet"), 2, "GARBAGE.parquet"),
    (("benchmark", "detection", "RUN", "CORPUS.parquet"), 2, "CORPUS.parquet"),
    (("benchmark", "corpus", "OUT", "--size", "vast"), 2, "--size vast: there is no such size"),
    (("benchmark", "run", "--out", "OUT", "--arms", "cleaned"), 2, "contaminated"),
    (("benchmark", "harm", "NOPE", "--out", "OUT"), 2, "NOPE: holds no clean/"),
    (("benchmark", "attribution", "NOPE", "--out", "OUT"), 2, "NOPE: holds no train/"),
    (("dance",), 2, "No such command 'dance'"),
    (("clean", "--dance"), 2, "--dance"),
]


@pytest.fixture(scope="module")
def places(tmp_path_factory, make_context_in, make_stems) -> Path:
    """A folder with a corpus, a reference, a run that has decided, one that has begun, and files that are no such thing."""
    import pyarrow as pa

    from raysep.stages import decide

    root = tmp_path_factory.mktemp("bad")
    rng = np.random.default_rng(0)
    for track in ("CORPUS/A", "CORPUS/B", "REF/R", "REF/S"):
        (root / track).mkdir(parents=True)
        for label in settings.LABELS:
            soundfile.write(root / track / f"{label}.wav", 0.1 * rng.standard_normal(4000), 8000)
    (root / "EMPTY").mkdir()
    (root / "NOTES.txt").write_text("drums: too loud? - yes: really\n")
    for name in ("GARBAGE.parquet", "GARBAGE.safetensors"):
        (root / name).write_bytes(bytes(range(256)) * 4)
    (root / "MINE.csv").write_text("stem_id,verdict,note\n00/vocals,perhaps,\n")
    (root / "YOURS.csv").write_text("stem_id,verdict,note\n00/vocals,remove,\n")
    (root / "STRANGE.csv").write_text("stem_id,verdict\nX/vocals,remove\nX/bass,keep\n")
    (root / "UNSAID.csv").write_text("stem_id,verdict,note\n00/vocals,,odd\n")
    (root / "PAGE.html").write_text("mine")
    for name, text in (("BEGUN", '{"fingerprint": "abc", "started": "now", "stages": {}}'), ("TORN", '{"finger')):
        (root / name).mkdir()
        (root / name / "run.json").write_text(text)
    context = make_context_in(root / "RUN")
    run = context.run
    run.open("abc", {"config": settings.to_dict(context.config)})
    stems = make_stems([f"{track:02d}" for track in range(10)])
    manifest.write(run.path("manifest.parquet"), stems)
    about = [
        {"stem_id": s.stem_id, "track": s.track, "stem": s.stem, "outcome": "scored", "role": "corpus"} for s in stems
    ]
    run.write_table(
        pa.Table.from_pylist([{**row, "fad": float(k % 7)} for k, row in enumerate(about)]), "stems.parquet"
    )
    run.write_table(decide.table_again(run, {}), "decision.parquet")
    run.write_json({"counts": {}}, "summary.json")
    manifest.write(str(root / "CORPUS.parquet"), stems)
    return root


def holding(root: Path) -> dict[str, str]:
    """Every file below, by its content."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_table_has_every_command():
    commands = {words[0] for words, _, _ in BAD}
    assert len(BAD) >= 100
    assert commands >= {"clean", "score", "prove", "decide", "status", "report", "config", "convert", "scan", "synth"}
    assert commands >= {"contaminate", "evaluate", "export", "fad", "separate", "submit", "suspects", "train", "tune"}
    assert "review" in commands


@pytest.mark.parametrize(("words", "code", "told"), BAD, ids=[" ".join(words) for words, _, _ in BAD])
def test_a_bad_input_is_one_line_and_touches_nothing(raysep, places, monkeypatch, words, code, told):
    from raysep.cluster import session

    def started(*_):
        raise AssertionError("Ray was started")

    monkeypatch.setattr(session, "session", started)
    monkeypatch.chdir(places)
    before = holding(places)
    ended, output, error = raysep(*words)
    lines = [line for line in error.splitlines() if not line.endswith("…") and not line.startswith("note: ")]
    assert (ended, output) == (code, ""), error
    assert len(lines) == 1, error
    assert lines[0].startswith("raysep: ")
    assert told in lines[0]
    assert holding(places) == before


def test_a_run_that_was_torn_says_what_to_do(raysep, places):
    (code, _, error) = raysep("status", str(places / "TORN"))
    assert code == 2
    assert "choose another folder" in error
    assert json.loads((places / "BEGUN" / "run.json").read_text())["fingerprint"] == "abc"
    assert Run(str(places / "RUN")).has("decision.parquet")
