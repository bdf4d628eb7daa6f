from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from raysep.commands.check import findings
from raysep.commands.check.findings import Row, named_alike, of, table
from raysep.corpus.layouts import Problem, Scan
from raysep.corpus.leaks import Place, Twins
from raysep.outcome import Outcome
from raysep.probes.flaws import FAULT, NOTE, Measures
from raysep.stages.check import NUMBERS

CLEAN = Measures(
    seconds=3.0,
    level_dbfs=-20.0,
    peak=0.5,
    clipping=0.0,
    dc=0.0,
    gaps=0,
    correlation=0.9,
    cancelling_db=-0.5,
    apart_db=-6.0,
    uneven_db=-1.0,
    bandwidth_hz=4000.0,
    edge_db=5.0,
    bits=16.0,
)


def row(stem, role: str = "corpus", **changes) -> dict:
    about = {
        "role": role,
        "track": stem.track,
        "stem": stem.stem,
        "uri": stem.uri,
        "outcome": Outcome.SCORED,
        "message": "",
    }
    return about | dict.fromkeys(NUMBERS) | asdict(CLEAN) | changes


def mixture(stem, **changes) -> dict:
    return row(replace(stem, stem="mixture", uri="/no/A/mixture.wav"), **changes)


@pytest.fixture
def stems(make_stems):
    return make_stems(["A"])


def told(stems, *rows, problems=(), twins=(), **scans) -> list[Row]:
    return of({"corpus": Scan(stems, list(problems)), **scans}, [*map(row, stems), *rows], list(twins))


def test_nothing_is_told_of_clean_rows(stems):
    assert told(stems) == []


@pytest.mark.parametrize(
    ("changes", "level", "what", "words"),
    [
        ({"lag": 0.0205}, FAULT, "lag", "comes 20.5 ms after its part of the mixture"),
        ({"lag": -0.001}, FAULT, "lag", "comes 1.0 ms before its part of the mixture"),
        ({"outcome": Outcome.FAILED, "message": "/no/A/vocals.wav: truncated"}, FAULT, "unreadable", "truncated"),
        ({"remark": "/no/A/vocals.wav: not as it was"}, FAULT, "checksum", "not as it was"),
        ({"dc": 0.1}, FAULT, "dc", "DC offset: 10.0 % of its RMS"),
    ],
)
def test_a_stem_is_told_with_its_file(stems, changes, level, what, words):
    rows = [row(stems[0], **changes), *map(row, stems[1:])]
    (one,) = of({"corpus": Scan(stems)}, rows, [])
    assert (one.level, one.what, one.track, one.stem, one.uri) == (level, what, "A", stems[0].stem, stems[0].uri)
    assert one.words == words


@pytest.mark.parametrize(
    ("changes", "level", "what", "words"),
    [
        (
            {"residual_db": -12.0, "gain_db": 0.0},
            FAULT,
            "mixture",
            "is not the sum of its stems: -12 dB of it are not in them",
        ),
        ({"residual_db": -60.0, "gain_db": -3.0}, NOTE, "mixture level", "is the sum of its stems at -3.0 dB"),
        ({"remark": "/no/A/mixture.wav: not as it was"}, FAULT, "checksum", "not as it was"),
        ({"message": "not compared"}, NOTE, "mixture not compared", "not compared"),
        ({"outcome": Outcome.FAILED, "message": "broken"}, FAULT, "unreadable", "broken"),
    ],
)
def test_a_mixture_is_told(stems, changes, level, what, words):
    (one,) = told(stems, mixture(stems[0], **changes))
    assert (one.level, one.what, one.stem, one.words) == (level, what, "mixture", words)


def test_a_mixture_that_is_the_sum_is_not_told(stems):
    assert told(stems, mixture(stems[0], residual_db=-80.0, gain_db=0.05)) == []


def test_what_the_listing_says_is_told_and_broken_files_once(stems):
    problems = [Problem("A", "bass", "/no/A", "no 'bass'"), Problem("A", "drums", "/no/A", "no audio", unreadable=True)]
    (one,) = told(stems, problems=problems)
    assert (one.level, one.what, one.words) == (FAULT, "layout", "no 'bass'")


def test_a_track_of_another_rate_is_noted(make_stems):
    stems = make_stems(["A", "B"]) + make_stems(["C"], rate=44_100)
    (one,) = told(stems)
    assert (one.level, one.what, one.track, one.words) == (
        NOTE,
        "rate",
        "C",
        "44100 Hz where most have 8000: it will be resampled",
    )


A, B, R = Place("corpus", "A"), Place("corpus", "B"), Place("reference", "R")


@pytest.mark.parametrize(
    ("twins", "level", "what", "where", "words"),
    [
        (Twins(A, B, 1.0, 0.0), FAULT, "twin", "B", "is A of the corpus (100 % of its sound)"),
        (Twins(A, R, 0.8, 2.5), FAULT, "leak", "reference: R", "is A of the corpus (80 % of its sound, 2.5 s later)"),
        (Twins(A, A, 1.0, 0.0, (("bass", "other"),)), FAULT, "one stem twice", "A/other", "bass and other are one recording"),
        (Twins(A, B, 0.9, 0.0, (("bass", "bass"),)), NOTE, "shared stem", "B/bass", "its bass is the bass of A of the corpus (90 % of it)"),
        (Twins(A, B, 0.9, 0.0, (("bass", "other"),)), FAULT, "shared stem", "B/other", "its other is the bass of A of the corpus (90 % of it)"),
    ],
    ids=["twin", "leak", "twice", "shared", "shared under another label"],
)  # fmt: skip
def test_what_is_one_recording_is_told(stems, twins, level, what, where, words):
    (one,) = told(stems, twins=[twins])
    assert (one.level, one.what, one.where, one.words) == (level, what, where, words)


def test_a_name_of_the_corpus_is_told_unless_its_song_is(make_stems):
    scans = {"corpus": Scan(make_stems(["Für Elise", "B"])), "reference": Scan(make_stems(["FÜR ELISE", "C"]))}
    (one,) = named_alike(scans, [])
    assert (one.where, one.words) == (
        "reference: FÜR ELISE",
        "is named as Für Elise of the corpus, and sounds different",
    )
    leak = Twins(Place("corpus", "Für Elise"), Place("reference", "FÜR ELISE"), 1.0, 0.0)
    assert named_alike(scans, [leak]) == []


def test_faults_come_first_and_the_table_holds_every_column(stems):
    found = told(stems, mixture(stems[0], message="odd"), twins=[Twins(A, B, 1.0, 0.0)])
    assert [one.level for one in found] == [FAULT, NOTE]
    assert table(found).column_names == [field.name for field in findings.SCHEMA]
    assert table(found).to_pylist()[0]["other"] == "A of the corpus"
