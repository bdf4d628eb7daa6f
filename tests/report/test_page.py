from __future__ import annotations

from raysep.corpus import manifest, storage
from raysep.corpus.layouts import stems_of
from raysep.report import page
from raysep.report.evidence.of_run import Evidence
from raysep.report.evidence.sounding import shown


def test_the_page_holds_the_worst_stems_first(make_context, write_rows, tmp_path, write_tracks):
    run = make_context().run
    run.write_json({"fingerprint": "abc", "started": "now", "versions": {"raysep": "0"}, "stages": {}}, "run.json")
    stems = stems_of(write_tracks(tmp_path / "corpus", ["good", "worst", "bad"], seconds=0.5)).stems
    manifest.write(run.path("manifest.parquet"), stems)
    suspicion = {"good": 0.1, "worst": 0.9, "bad": 0.8}
    decision = [
        {
            "stem_id": s.stem_id,
            "track": s.track,
            "stem": s.stem,
            "outcome": "failed" if s.stem_id == "bad/bass" else "scored",
            "suspicion": suspicion[s.track],
            "p_value": 0.1,
            "p_corrupt": suspicion[s.track],
            "keep": s.track == "good",
            "weight": 1 - suspicion[s.track],
            "reason": f"because of {s.track}",
        }
        for s in stems
    ]
    write_rows(run, "decision.parquet", decision)
    write_rows(run, "stems.parquet", [{**row, "loss": -row["suspicion"]} for row in decision])
    write_rows(run, "failed.parquet", [{"stem_id": "bad/bass", "error": "AudioError", "message": "truncated"}])
    run.write_json({"share": None, "rule": {"name": "Threshold", "p": 0.5}}, "summary.json")
    suspects = shown(Evidence(run))
    first = [row["stem_id"] for row in suspects if row["group"] == "suspect"]
    assert first[:4] == [f"worst/{k}" for k in ("bass", "drums", "other", "vocals")]
    assert len(first) == 7
    assert "bad/bass" not in {row["stem_id"] for row in suspects}  # failed: nothing to listen to
    assert {row["group"] for row in suspects if row["keep"]} == {"doubtful"}
    assert all(row["takes"][0].source.startswith("data:audio/ogg;base64,T2dnU") for row in suspects)
    page.write(run, truth=None)
    html = run.read_bytes("report.html").decode()
    assert html.startswith("<!")
    assert html.index("because of worst") < html.index("because of bad")
    assert "truncated" in html


def test_the_page_knows_a_search_of_other_scores(make_context, write_rows):
    run = make_context().run
    write_rows(run, "stems.parquet", [{"stem_id": "A/bass"}])
    assert page.tuned(run) is None
    write_rows(run, "tune.parquet", [{"trial": "automatic"}])
    run.write_json({"scores": storage.digest(run.read_bytes("stems.parquet")), "found": ["one seed"]}, "tune.json")
    assert page.tuned(run) == {"rows": [{"trial": "automatic"}], "found": ["one seed"]}
    write_rows(run, "stems.parquet", [{"stem_id": "B/bass"}])
    assert "start raysep tune again" in page.tuned(run)["stale"]
