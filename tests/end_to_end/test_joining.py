"""A corpus that has grown since its run: only what is new is read and judged."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from raysep import pipeline
from raysep.corpus import identity, manifest, storage
from raysep.corpus.layouts import stems_of
from raysep.errors import BadInput, RunConflict

pytestmark = [pytest.mark.train, pytest.mark.long]


def test_new_tracks_join_an_old_run(request_for, corpora, ray_runtime, tmp_path, monkeypatch, capsys):
    corpus = tmp_path / "corpus"
    shutil.copytree(corpora.corpus, corpus)
    first = request_for(tmp_path / "first", corpus=str(corpus), until=pipeline.DECIDE)
    before = pipeline.clean(first)
    for track in sorted(Path(corpora.clean).glob("[!.]*"))[:4]:
        shutil.copytree(track, corpus / f"new-{track.name}")
    with pytest.raises(RunConflict, match=r"4 tracks of the corpus are new since then, first new-clean.*--after"):
        pipeline.clean(first)

    monkeypatch.setattr(identity, "SETTLED_NS", -(10**18))  # as if the files had been there for a while
    opened, original = [], storage.open_whole
    monkeypatch.setattr(storage, "open_whole", lambda uri: opened.append(uri) or original(uri))
    capsys.readouterr()
    run = pipeline.clean(
        request_for(tmp_path / "second", corpus=str(corpus), until=pipeline.DECIDE, after=before.root, quiet=False)
    )
    assert len(opened) == 16 == sum("/new-" in uri for uri in opened)
    told = capsys.readouterr()
    assert "4 new, first new-clean" in told.err + told.out
    assert {row["track"][:4] for row in run.read_table("decision.parquet").to_pylist()} == {"new-"}
    joined = manifest.read(run.path("joined.parquet"))
    assert joined == sorted(manifest.read(before.path("cleaned.parquet")) + manifest.read(run.path("cleaned.parquet")))
    assert {s.stem_id for s in joined} <= {s.stem_id for s in stems_of(str(corpus)).stems}
    with pytest.raises(BadInput, match="has judged all 14 tracks"):
        pipeline.clean(request_for(tmp_path / "third", corpus=str(corpus), after=run.root))
