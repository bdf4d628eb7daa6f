"""The options that several commands share."""

from __future__ import annotations

import pytest

from raysep import pipeline
from raysep.commands.evaluate import evaluate
from raysep.commands.fad import fad
from raysep.corpus import manifest


class Done:
    def path(self, *parts: str) -> str:
        return "/".join(parts)


@pytest.mark.parametrize(
    ("words", "module"),
    [
        (("clean", "C", "--reference", "R"), pipeline),
        (("train", "C"), pipeline),
        (("evaluate", "M", "C"), evaluate),
        (("fad", "C", "--reference", "R"), fad),
    ],
)
def test_a_layout_reaches_whatever_reads_a_corpus(raysep, monkeypatch, words, module):
    requests = []
    monkeypatch.setattr(module, words[0], lambda request, *_: requests.append(request) or Done())
    assert raysep(*words, "--out", "O", "--layout", "mine:Own")[0] == 0
    assert raysep(*words, "--out", "O")[0] == 0
    assert [request.layout for request in requests] == ["mine:Own", None]


def test_scan_takes_a_layout_or_a_manifest(raysep, tmp_path, write_tracks):
    first, again = str(tmp_path / "m.parquet"), str(tmp_path / "again.parquet")
    folder = write_tracks(tmp_path / "songs", ["A"], seconds=0.1)
    assert raysep("scan", folder, "--out", first, "--layout", "musdb")[0] == 0
    assert raysep("scan", first, "--out", again)[0] == 0
    assert manifest.read(first) == manifest.read(again)
    code, _, error = raysep("scan", folder, "--out", first, "--layout", "mine")
    assert code == 2
    assert (
        "layout 'mine': not known; choose one of list, manifest, moisesdb, slakh, stem-mp4, msst2, stem-folders, songs, musdb, or give"
        in error
    )
