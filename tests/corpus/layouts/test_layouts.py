"""One door: whichever command asks, and however the place is laid out, the stems are the same."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from raysep.commands.evaluate import evaluate
from raysep.commands.fad.inputs import read_comparison
from raysep.corpus import layouts, manifest
from raysep.corpus.inputs import read_inputs
from raysep.corpus.layouts import LABELS, LAYOUTS, Layout, find_layout, stems_of
from raysep.errors import BadInput


@pytest.fixture
def places(tmp_path, write_tracks) -> dict[str, str]:
    """The same tracks as folders, and as a manifest; role → place."""
    found = {role: write_tracks(tmp_path / role, [f"{role} 1", f"{role} 2"], 0.2) for role in ("corpus", "trusted")}
    for role in list(found):
        found[f"{role}.parquet"] = str(tmp_path / f"{role}.parquet")
        manifest.write(found[f"{role}.parquet"], stems_of(found[role]).stems)
    return found


@pytest.fixture
def dashed(tmp_path, own_module, own_files):
    """dashed(*tracks): a folder in a layout of the user's own, whose module can be imported; `my_layout:Dashed`."""
    own_module("my_layout", own_files["my_layout.py"] + "\n\nnot_a_layout = 1\n")

    def write(name: str, *tracks: str) -> str:
        (tmp_path / name).mkdir()
        for k, (track, label) in enumerate((track, label) for track in tracks for label in LABELS):
            audio = 0.1 * np.random.default_rng([len(name), k]).standard_normal(1600)
            soundfile.write(tmp_path / name / f"{label} - {track}.flac", audio, 8000)
        return str(tmp_path / name)

    return write


def corpus_of_evaluate(place: str, layout: str | None = None):
    request = evaluate.EvaluationRequest((), place, "", layout=layout)
    return evaluate.read_corpus(request, [SimpleNamespace(stems=LABELS)])


@pytest.mark.parametrize("kind", ["", ".parquet"])
def test_every_command_gets_the_same_stems_from_folders_and_from_a_manifest(places, kind):
    corpus, trusted = places[f"corpus{kind}"], places[f"trusted{kind}"]
    expected = manifest.digest(stems_of(places["corpus"]).stems), manifest.digest(stems_of(places["trusted"]).stems)
    cleaned, compared = read_inputs(corpus, trusted, None, LABELS), read_comparison(corpus, trusted)
    assert (manifest.digest(cleaned.corpus), manifest.digest(cleaned.reference)) == expected
    assert (manifest.digest(compared.corpus), manifest.digest(compared.reference)) == expected
    assert manifest.digest(corpus_of_evaluate(corpus)) == expected[0]
    assert cleaned.corpus == compared.corpus == stems_of(places["corpus"]).stems
    assert {stem.split for stem in cleaned.reference} == {"reference"}


def test_every_command_takes_a_layout_of_ones_own(dashed, places):
    corpus, own = dashed("songs", "A", "B"), "my_layout:Dashed"
    expected = [f"{track}/{label}" for track in "AB" for label in sorted(LABELS)]
    for stems in (
        stems_of(corpus, layout=own).stems,
        read_inputs(corpus, None, None, LABELS, layout=own).corpus,
        read_comparison(corpus, corpus, layout=own).corpus,
        corpus_of_evaluate(corpus, own),
    ):
        assert [stem.stem_id for stem in stems] == expected
    with pytest.raises(
        BadInput, match=r"no audio in any track's folder is named as a label: .* \(found bass - A\.flac"
    ):
        stems_of(corpus)


@pytest.mark.parametrize("kind", ["", ".parquet"])
def test_what_is_not_laid_out_like_that_is_read_as_ever(dashed, places, kind):
    found = read_inputs(dashed("songs", "A"), places[f"trusted{kind}"], None, LABELS, layout="my_layout:Dashed")
    assert {stem.track for stem in found.corpus} == {"A"}
    assert {stem.track for stem in found.reference} == {"trusted 1", "trusted 2"}


def test_its_problems_are_treated_as_those_of_others(dashed, tmp_path):
    corpus = dashed("songs", "A")
    (tmp_path / "songs" / "bass - A.flac").write_bytes(b"no audio")
    with pytest.raises(BadInput, match=r"1 problem\n.*bass - A\.flac: not audio"):
        stems_of(corpus, layout="my_layout:Dashed")
    assert [s.frames for s in stems_of(corpus, layout="my_layout:Dashed", on_problem="keep").stems] == [0, *[1600] * 3]


def test_a_layout_that_finds_nothing_is_refused(dashed):
    with pytest.raises(BadInput, match="the layout my_layout:Dashed finds no stems in it"):
        stems_of(dashed("songs", "A"), usual=("piano",), layout="my_layout:Dashed")


def test_stems_that_are_nowhere_are_named_by_every_command(places):
    for ask in (
        lambda place: stems_of(place, ("piano",)),
        lambda place: read_inputs(place, None, None, ("piano",)),
        lambda place: read_comparison(place, place, ("piano",)),
        lambda place: evaluate.read_corpus(
            evaluate.EvaluationRequest((), place, "", split="train", labels=("piano",)), []
        ),
    ):
        with pytest.raises(
            BadInput, match=r"is named as a label: piano \(found bass\.wav, .*\); name them with --labels"
        ):
            ask(places["corpus"])


def test_every_registered_layout_can_be_found():
    assert all(isinstance(find_layout(name), Layout) for name in LAYOUTS)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (
            "mustb",
            "layout 'mustb': not known; choose one of list, manifest, moisesdb, slakh, stem-mp4, msst2, stem-folders, songs, musdb, or give a class of your own",
        ),
        ("no_such_module:X", r"cannot be imported \(ModuleNotFoundError"),
        ("my_layout:Other", r"cannot be imported \(AttributeError"),
        ("my_layout:not_a_layout", "not a subclass of raysep.corpus.layouts.Layout"),
    ],
)
def test_what_is_no_layout(dashed, places, name, told):
    with pytest.raises(BadInput, match=told):
        stems_of(places["corpus"], layout=name)


def test_the_face_imports_no_layout_before_it_is_used():
    import subprocess
    import sys

    code = "import sys, raysep.corpus.layouts; print([m for m in sys.modules if m in %r])"
    modules = [path.partition(":")[0] for path in layouts.LAYOUTS.values()]
    assert subprocess.check_output([sys.executable, "-c", code % modules], text=True).strip() == "[]"


def test_what_to_do_with_problems_is_one_of_three(places):
    with pytest.raises(ValueError, match="raise, keep or collect"):
        stems_of(places["corpus"], on_problem="ignore")


def test_what_is_to_be_said_is_said_in_one_line(places, write_tracks, tmp_path):
    write_tracks(tmp_path / "corpus", ["lone"], 0.2, labels=("vocals", "drums", "bass"))
    write_tracks(tmp_path / "corpus", ["other audio"], 0.2, labels=("guitar",))
    said = []
    found = stems_of(places["corpus"], say=said.append)
    assert said == [
        f"note: {places['corpus']}: 1 folder without readable stems, first other audio (guitar.wav); "
        "1 track without a stem of some label, first lone without other"
    ]
    assert [note.kind for note in found.notes] == ["no-stems", "missing"]
    stems_of(places["trusted"], say=said.append)
    assert len(said) == 1


def test_a_layout_that_does_not_fit_is_said(places):
    said = []
    stems_of(places["corpus"], layout="slakh", say=said.append)
    assert said == [f"note: {places['corpus']}: not laid out as slakh, and read as ever"]


def test_names_of_layouts_that_are_alike(places):
    for name in layouts.ALSO:
        assert isinstance(find_layout(name), Layout)
    assert stems_of(places["corpus"], layout="msst4").stems == stems_of(places["corpus"]).stems


def test_stems_whose_names_differ_in_their_unicode_form_alone_are_one_name(tmp_path, write_tracks):
    import unicodedata

    forms = [unicodedata.normalize(form, "Für Elise") for form in ("NFC", "NFD")]
    write_tracks(tmp_path / "one", forms[1:], 0.2)
    assert {s.track for s in stems_of(str(tmp_path / "one")).stems} == {forms[0]}
    write_tracks(tmp_path / "both", forms, 0.2)
    with pytest.raises(BadInput, match=r"4 problems\n.*2 stems are 'bass' of Für Elise; keep one"):
        stems_of(str(tmp_path / "both"), on_problem="keep")


def test_a_place_that_may_be_something_else_names_it(tmp_path):
    for label in ("vocals", "drums"):
        (tmp_path / label).mkdir()
        soundfile.write(tmp_path / label / "a.wav", np.zeros(800), 8000)
    with pytest.raises(BadInput, match=r"it looks like msst2 or stem-folders: use --layout msst2"):
        stems_of(str(tmp_path), layout="musdb")


def test_a_place_may_be_a_path(write_tracks, tmp_path):
    folder = write_tracks(tmp_path / "songs", ["A"], seconds=0.1)
    assert stems_of(tmp_path / "songs").stems == stems_of(folder).stems
