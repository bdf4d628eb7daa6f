"""Files and folders that may not be read. A superuser may read all: so as somebody else, as far as the system lets one."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from raysep.corpus.layouts import stems_of
from raysep.corpus.layouts.headers import header
from raysep.corpus.reading import read_stem
from raysep.errors import AudioError, BadInput

NOBODY = 65534


@pytest.fixture
def corpus(write_tracks) -> Iterator[Path]:
    """Of nobody's, in a folder that nobody may enter; what the test does there it does as nobody."""
    if os.geteuid():
        pytest.skip("needs a superuser, who becomes another")
    place = Path(tempfile.mkdtemp())
    write_tracks(place / "corpus", ["A", "B"], 0.2)
    for path in (place, *place.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
        path.chmod(0o755)
    os.seteuid(NOBODY)
    try:
        yield place / "corpus"
    finally:
        os.seteuid(0)
        shutil.rmtree(place)


def test_a_file_that_may_not_be_read_is_a_problem_with_its_name_and_the_reason(corpus):
    file = corpus / "A" / "bass.wav"
    file.chmod(0)
    assert header(str(file))[2].startswith(f"{file}: cannot be read (")
    with pytest.raises(
        BadInput, match=r"1 problem\n.*A/bass\.wav: cannot be read .*denied\); check the file and its access"
    ):
        stems_of(str(corpus))
    found = stems_of(str(corpus), on_problem="collect")
    assert [(problem.track, problem.stem, problem.unreadable) for problem in found.problems] == [("A", "bass", True)]
    assert {stem.stem_id for stem in found.stems if not stem.frames} == {"A/bass"}


def test_one_that_may_not_be_read_any_more_is_an_error_of_its_stem(corpus):
    stem = next(stem for stem in stems_of(str(corpus)).stems if stem.stem_id == "B/drums")
    Path(stem.uri).chmod(0)
    with pytest.raises(AudioError, match=r"B/drums\.wav: cannot be read .*denied"):
        read_stem(stem, stem.sample_rate)


@pytest.mark.parametrize("mode", [0, 0o444], ids=["neither listed nor entered", "listed and not entered"])
def test_a_folder_that_may_not_be_entered_is_named_and_never_passed_over(corpus, mode):
    (corpus / "A").chmod(mode)
    with pytest.raises(
        BadInput, match=r"corpus: cannot be listed .*denied: '.*corpus/A.*check the address, the access rights"
    ):
        stems_of(str(corpus))


def test_what_a_system_keeps_is_not_asked_for(corpus):
    (corpus / "lost+found").mkdir(mode=0)
    found = stems_of(str(corpus))
    assert {stem.track for stem in found.stems} == {"A", "B"}
    assert [note.first for note in found.notes if note.kind == "system"] == ["lost+found"]
