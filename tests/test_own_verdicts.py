"""A person's own verdicts in a run: the rows count, a copy stays, and others are told the way out."""

from __future__ import annotations

import pytest

from raysep import own_verdicts
from raysep.corpus.hashing import fingerprint
from raysep.decision.by_hand import read_verdicts
from raysep.errors import BadInput, RunConflict
from raysep.rundir import Run

LABELS = ("vocals", "drums", "bass", "other")


@pytest.fixture
def write(tmp_path):
    def to(text: str, name: str = "mine.csv") -> str:
        (tmp_path / name).write_text(f"stem_id,verdict,note\n{text}")
        return str(tmp_path / name)

    return to


@pytest.fixture
def run(tmp_path) -> Run:
    run = Run(str(tmp_path / "run"))
    run.open("abc", {"config": {"a": 1}, "digests": {"corpus": "x"}})
    return run


def parts(uri, refit=False):
    return fingerprint("config", *own_verdicts.parts(uri, refit, LABELS))


def test_the_rows_count_and_not_the_file(write):
    one = parts(write("A/bass,keep,fine\nB/bass,remove,\nC/bass,,\n"))
    assert one == parts(write("B/bass,REMOVE,\nA/bass,keep,fine\n", "other.csv"))
    assert one != parts(write("B/bass,remove,\n"))
    assert one != parts(write("A/bass,keep,fine\nB/bass,remove,\n"), refit=True)
    assert parts(None) == fingerprint("config")  # runs without any are what they were


def test_a_run_keeps_its_verdicts_and_deciding_again_finds_them(run, write):
    given = write('A/bass,keep,"fine, ""really"""\nB/bass,drums,\n')
    assert own_verdicts.of(run, None, None, LABELS) == (None, False)
    own_verdicts.keep(run, given, *own_verdicts.parts(given, True, LABELS))
    said, refit = own_verdicts.of(run, None, None, LABELS)
    assert ([tuple(s)[:3] for s in said], refit) == (
        [("A/bass", "keep", 'fine, "really"'), ("B/bass", "drums", "")],
        True,
    )
    other = write("A/bass,remove,\n", "other.csv")
    assert own_verdicts.of(run, other, False, LABELS) == (read_verdicts(other, LABELS), False)


def test_to_learn_there_has_to_be_something(run):
    for ask in (lambda: own_verdicts.parts(None, True, LABELS), lambda: own_verdicts.of(run, None, True, LABELS)):
        with pytest.raises(BadInput, match="--refit: learns from your verdicts: give --verdicts too"):
            ask()


def test_a_run_of_other_verdicts_is_refused_with_the_way_out(run, write):
    same = {"a": 1}, {"corpus": "x"}
    with pytest.raises(RunConflict, match=r"made with no verdicts of yours; `raysep decide .*run --verdicts FILE"):
        own_verdicts.refuse_others(run, "mine.csv", *same)
    own_verdicts.refuse_others(run, None, *same)  # something else differs
    own_verdicts.refuse_others(run, "mine.csv", {"a": 2}, same[1])
    run.update({"verdicts": "mine.csv"})
    with pytest.raises(RunConflict, match="made with other verdicts"):
        own_verdicts.refuse_others(run, None, *same)
