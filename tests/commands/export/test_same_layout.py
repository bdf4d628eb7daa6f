"""What came in a layout goes out in it: recognised as the same, with the same stems, labels and samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from raysep.config import LABELS
from raysep.corpus import manifest
from raysep.corpus.layouts import LAYOUTS, find_layout, stems_of
from raysep.corpus.layouts.layout import Place
from raysep.corpus.manifest import Stem
from raysep.corpus.reading import read_stem
from raysep.rundir import Run
from tests.commands.export.conftest import decide
from tests.commands.export.exports import export
from tests.layout_trees import TREES, lacking, tracks

# What a layout is exported as, and what it is then recognised as: numbers, aliases and split folders are not put on again.
FORMS = {
    "numbered": ("copies", "musdb"),
    "split": ("copies", "musdb"),
    "tracks": ("musdb", "musdb"),
    "lacking": ("copies", "musdb"),
    "stem-folders": ("msst", "stem-folders"),
    "msst2": ("msst", "msst2"),
    "list": ("csv", "list"),
    "manifest": ("manifest", "manifest"),
    "moisesdb": ("moisesdb", "moisesdb"),
    "slakh": ("slakh", "slakh"),
}
ALL = {**TREES, "tracks": tracks, "lacking": lacking}


def lay_out(name: str, songs: Path, out: Path) -> str:
    if name != "manifest":
        return ALL[name](songs, out)
    manifest.write(str(out) + ".parquet", stems_of(str(songs)).stems)
    return f"{out}.parquet"


def recognised(uri: str) -> str:
    place = Place(uri, None, tuple(LABELS), "train", True, 4, {}, (), None)
    return next(name for name in LAYOUTS if name != "songs" and find_layout(name).matches(place))


def samples(stem: Stem) -> np.ndarray:
    return read_stem(stem, stem.sample_rate, stem.channels)


@pytest.mark.parametrize("name", FORMS)
def test_a_cleaned_corpus_goes_out_as_it_came(name, tmp_path, write_tracks):
    songs = Path(write_tracks(tmp_path / "songs", ["A", "B", "C", "Für [live] #1"], seconds=0.2))
    place = lay_out(name, songs, tmp_path / "in")
    form, layout = FORMS[name]
    before = stems_of(place).stems
    run = Run(str(tmp_path / "run"))
    gone = next(stem for stem in before if stem.stem == "bass")
    decide(run, place, **{f"{gone.track[0]}_bass": {"keep": False, "weight": 0.0}})
    ending = {"csv": ".csv", "manifest": ".parquet"}.get(form, "")
    export(run.root, f"{tmp_path}/out{ending}", form, **({"missing": "silence"} if form == "musdb" else {}))
    found = stems_of(f"{tmp_path}/out{ending}").stems
    assert recognised(f"{tmp_path}/out{ending}") == layout
    left = [s for s in before if s.stem_id != gone.stem_id]
    if form == "musdb":  # complete tracks: silence in place of what was removed
        (silent,) = [s for s in found if s.stem_id == gone.stem_id]
        assert not samples(silent).any()
        found.remove(silent)
    elif name == "msst2":  # its first letter stands for the label: every bass of the pool is gone
        left = [s for s in before if s.stem != "bass"]
    assert [(s.stem_id, s.track, s.stem, s.sample_rate, s.frames) for s in found] == [
        (s.stem_id, s.track, s.stem, s.sample_rate, s.frames) for s in left
    ]
    assert [samples(s).tobytes() for s in found] == [samples(s).tobytes() for s in left]


@pytest.mark.parametrize("form", ["moisesdb", "slakh"])
def test_stems_that_go_by_one_label_are_files_of_one_stem(form, make_run, corpus, tmp_path):
    """Their record says so, and whoever reads them sums them."""
    from raysep.corpus.reading import read_stem

    run = make_run("relabel", C_other={"keep": False, "weight": 0.0, "label": "bass"})
    export(run, tmp_path / "out", form)
    before = {s.stem_id: s for s in stems_of(corpus).stems}
    found = {s.stem_id: s for s in stems_of(str(tmp_path / "out")).stems}
    assert set(before) - set(found) == {"C/other"}
    total = samples(before["C/bass"]) + samples(before["C/other"])
    np.testing.assert_array_equal(read_stem(found["C/bass"], 8000, 2), total)


def test_a_sum_of_files_is_as_fine_as_any_of_them(tmp_path, make_tracks_of_parts):
    """Of its parts only the first one's format stands in the manifest: 16 bits would cut what the second adds."""
    place = make_tracks_of_parts()
    (tmp_path / "run").mkdir()
    run = Run(str(tmp_path / "run"))
    decide(run, place)
    export(run.root, tmp_path / "out", "copies")
    for old, new in zip(stems_of(place).stems, stems_of(str(tmp_path / "out")).stems, strict=True):
        np.testing.assert_array_equal(samples(new), samples(old))


@pytest.fixture
def make_tracks_of_parts(tmp_path, write_tracks):
    """A corpus in which every ``other`` is a 16-bit file and a float one, too quiet for 16 bits."""
    import soundfile

    def make() -> str:
        songs = Path(write_tracks(tmp_path / "songs", ["A", "B", "C"], seconds=0.2))
        place = TREES["moisesdb"](songs, tmp_path / "in")
        for track in "ABC":
            audio, rate = soundfile.read(tmp_path / "in" / track / "guitar" / "a.wav")
            soundfile.write(tmp_path / "in" / track / "guitar" / "a.wav", audio, rate, subtype="PCM_16")
            soundfile.write(tmp_path / "in" / track / "piano" / "a.wav", audio / 30000, rate, subtype="FLOAT")
        return place

    return make
