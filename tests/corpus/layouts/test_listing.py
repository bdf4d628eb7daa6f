from __future__ import annotations

import os
import shutil

import pytest

from raysep.corpus.layouts import stems_of
from raysep.corpus.layouts.listing import listing
from raysep.errors import BadInput


def tracks(place) -> list[str]:
    return sorted({s.track for s in stems_of(str(place)).stems})


@pytest.fixture
def corpus(tmp_path, write_tracks):
    write_tracks(tmp_path / "corpus", ["song"], 0.2)
    return tmp_path / "corpus"


def test_a_link_is_followed_once(corpus, tmp_path, write_tracks):
    os.symlink(".", corpus / "all")
    os.symlink("song", corpus / "favourite")
    write_tracks(tmp_path / "elsewhere", ["far"], 0.2)
    os.symlink(tmp_path / "elsewhere" / "far", corpus / "linked")
    os.symlink(tmp_path / "elsewhere", corpus / "again")
    os.symlink(tmp_path / "nowhere", corpus / "broken")
    assert tracks(corpus) == ["again/far", "song"]
    notes = {note.kind: note for note in listing(str(corpus)).notes}
    assert (notes["link"].count, notes["link"].first) == (3, "all")
    assert notes["dangling"].text == "1 link to nothing, first broken"


def test_stems_may_be_links(corpus, tmp_path):
    (corpus / "made").mkdir()
    for label in ("vocals", "drums"):
        shutil.copy(corpus / "song" / f"{label}.wav", tmp_path / f"{label}-far.wav")
        os.symlink(tmp_path / f"{label}-far.wav", corpus / "made" / f"{label}.wav")
    os.symlink(corpus / "song" / "bass.wav", corpus / "made" / "bass.wav")
    found = listing(str(corpus))
    assert sum(str(f.path).startswith("made/") for f in found.files) == 2
    assert found.notes[0].text == "1 link to what is listed already, first made/bass.wav"


def test_a_link_out_of_the_place_and_back(corpus):
    os.symlink("..", corpus / "song" / "up")
    assert tracks(corpus) == ["song"]


def test_hidden_files_are_left_out(corpus):
    (corpus / ".cache").mkdir()
    shutil.copy(corpus / "song" / "bass.wav", corpus / ".cache" / "bass.wav")
    shutil.copy(corpus / "song" / "bass.wav", corpus / "song" / "._bass.wav")
    assert len(listing(str(corpus)).files) == 4


def test_a_name_that_is_no_text(corpus):
    with open(os.path.join(os.fsencode(corpus), b"caf\xe9.txt"), "w"):
        pass
    assert tracks(corpus) == ["song"]
    os.rename(corpus / "song", os.path.join(os.fsencode(corpus), b"caf\xe9"))
    with pytest.raises(BadInput, match=r"4 names not text in UTF-8, first b'.*caf\\xe9/bass\.wav'; rename them"):
        listing(str(corpus))


@pytest.mark.parametrize(
    "name", ["a  b", " lead", "trail ", "[x] (1)", "100 %", "a#b?c", "a'b\"c", "new\nline", "é", "a\\b"]
)
def test_names_are_read_as_they_are(corpus, name):
    os.rename(corpus / "song", corpus / name)
    assert tracks(corpus) == [name]


def test_what_is_no_file_is_passed_over_and_never_opened(corpus, tmp_path):
    """Who opens a pipe waits for the one who writes into it."""
    os.mkfifo(tmp_path / "pipe")
    os.mkfifo(corpus / "song" / "fifo.wav")
    for label, target in (("vocals", tmp_path / "pipe"), ("drums", "/dev/zero"), ("bass", "/dev/null")):
        (corpus / "song" / f"{label}.wav").unlink()
        os.symlink(target, corpus / "song" / f"{label}.wav")
    assert [s.stem for s in stems_of(str(corpus)).stems] == ["other"]
    (note,) = listing(str(corpus)).notes
    assert note.text == "4 special files (a pipe, a socket or a device), first song/bass.wav"


@pytest.mark.parametrize(
    "name", ["@eaDir", "#recycle", "$RECYCLE.BIN", "__MACOSX", "System Volume Information", "lost+found"]
)
def test_what_a_system_keeps_for_itself_is_no_track(corpus, name):
    shutil.copytree(corpus / "song", corpus / name / "deleted")
    shutil.copytree(corpus / "song", corpus / "song" / name)
    assert tracks(corpus) == ["song"]
    (note,) = listing(str(corpus)).notes
    assert (note.kind, note.count) == ("system", 2)


def test_a_track_whose_name_begins_with_a_dot_is_told(corpus):
    shutil.copytree(corpus / "song", corpus / "...And Justice")
    (corpus / ".git").mkdir()
    (corpus / ".git" / "config").touch()
    (note,) = listing(str(corpus)).notes
    assert note.text == "1 hidden folder with audio, which a name without the dot would have read, first ...And Justice"


def test_a_store_is_listed_alike(bucket, corpus):
    from raysep.corpus import storage

    os.symlink(".", corpus / "again")
    for folder in ("song", "song/@eaDir", "#recycle/old", "...And Justice", ".cache"):
        for label in ("vocals", "bass"):
            storage.write_bytes(f"{bucket}/{folder}/{label}.wav", (corpus / "song" / f"{label}.wav").read_bytes())
    storage.write_bytes(f"{bucket}/song/._bass.wav", b"a fork")
    found = listing(bucket)
    assert [str(file.path) for file in found.files] == ["song/bass.wav", "song/vocals.wav"]
    assert [(note.kind, note.count, note.first) for note in found.notes] == [
        ("system", 2, "#recycle"),
        ("hidden", 2, "...And Justice"),
    ]


def test_the_folder_of_a_run_is_no_corpus(corpus, write_tracks):
    for place in ("", "runs/first/"):
        write_tracks(corpus / f"{place}planted", ["planted-0-song"], 0.2)
        for name in ("run.json", "manifest.parquet"):
            (corpus / place / name).write_bytes(b"{}")
    with pytest.raises(BadInput, match=r"corpus: the folder of a run, .*give the corpus, or a manifest such as"):
        listing(str(corpus))
    (corpus / "run.json").unlink()
    shutil.rmtree(corpus / "planted")
    assert tracks(corpus) == ["song"]
    (note,) = listing(str(corpus)).notes
    assert note.text.startswith("1 run's folder of raysep, ")
    assert note.first == "runs/first"
    (corpus / "runs" / "first" / "manifest.parquet").unlink()  # somebody else's run.json
    assert tracks(corpus) == ["runs/first/planted/planted-0-song", "song"]
