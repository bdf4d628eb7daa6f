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


# In the run of `clean`


@pytest.fixture
def request_of(tmp_path, write_tracks, alone):
    """request_of(verdicts=…, …): a cleaning of ten tracks by nine, without a cluster."""
    from raysep import pipeline

    corpus = write_tracks(tmp_path / "corpus", [f"song {k}" for k in range(4)], seed=1)
    reference = write_tracks(tmp_path / "reference", [f"ref {k}" for k in range(9)], seed=2)
    out = str(tmp_path / "cleaned")
    return lambda **more: pipeline.Request(corpus, reference, out, preset="smallest", quiet=True, **more)


def opened(request):
    from raysep import pipeline

    with pipeline._opened(request) as (context, _):
        return context


@pytest.mark.slow
def test_a_cleaning_obeys_its_verdicts_and_goes_on_only_with_them(request_of, write):
    mine, other = write("song 1/bass,keep,fine\n"), write("song 1/bass,remove,\n", "other.csv")
    context = opened(request_of(verdicts=mine, refit=True))
    assert [tuple(word)[:3] for word in context.said] == [("song 1/bass", "keep", "fine")]
    assert (context.refit, context.run.read_json("run.json")["verdicts"]) == (True, mine)
    assert context.run.read_bytes(own_verdicts.FILE).startswith(b"stem_id,verdict,note\r\nsong 1/bass,keep,fine")
    assert opened(request_of(verdicts=mine, refit=True)).fingerprint == context.fingerprint
    for asked in ({"verdicts": other, "refit": True}, {"verdicts": mine}, {}):
        with pytest.raises(RunConflict, match=r"made with other verdicts; `raysep decide .*cleaned --verdicts FILE"):
            opened(request_of(**asked))


def test_a_run_without_verdicts_goes_on_without_them(request_of, write):
    context = opened(request_of())
    assert (context.said, context.run.has(own_verdicts.FILE)) == (None, False)
    with pytest.raises(RunConflict, match="made with no verdicts of yours"):
        opened(request_of(verdicts=write("song 1/bass,keep,\n")))
    assert opened(request_of()).fingerprint == context.fingerprint


def test_verdicts_that_cannot_be_are_refused_before_any_work(request_of, write):
    with pytest.raises(BadInput, match="line 2: verdict 'kepp'"):
        opened(request_of(verdicts=write("song 1/bass,kepp,\n")))
    with pytest.raises(BadInput, match="--refit: learns from your verdicts"):
        opened(request_of(refit=True))
