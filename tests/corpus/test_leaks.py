from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest

from raysep.corpus import leaks
from raysep.corpus.leaks import Place, Twins, copies, find, from_dict, messages, plain

LABELS = ("vocals", "drums", "bass", "other")


def bits(seed: int, moments: int = 300) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 2**32, moments, dtype=np.uint32), np.ones(moments, bool)


def track(seed: int) -> dict:
    return {"": bits(100 * seed)} | {label: bits(100 * seed + k) for k, label in enumerate(LABELS, 1)}


def corpus(count: int = 4) -> dict[Place, dict]:
    return {Place("corpus", f"t{k}"): track(k) for k in range(count)}


def later(prints: dict, moments: int) -> dict:
    return {name: (own[moments:], heard[moments:]) for name, (own, heard) in prints.items()}


def test_tracks_that_share_nothing_are_no_twins():
    assert find(corpus()) == []


def test_a_copy_is_found_by_its_mixture():
    prints = corpus() | {Place("reference", "z"): later(track(2), 50)}
    (found,) = find(prints)
    assert (found.first, found.second, found.stems) == (Place("corpus", "t2"), Place("reference", "z"), ())
    assert found.is_song
    assert found.is_leak
    assert found.later == pytest.approx(50 * 128 / 5000, abs=0.01)


def test_a_song_with_two_of_its_stems_is_that_song():
    remix = track(9) | {label: track(1)[label] for label in ("vocals", "bass")}
    (found,) = find(corpus() | {Place("test", "remix"): remix})
    assert found.stems == (("bass", "bass"), ("vocals", "vocals"))
    assert found.is_leak


def test_two_songs_with_one_drum_loop_are_two_songs():
    other = track(9) | {"drums": track(1)["drums"]}
    (found,) = find(corpus() | {Place("reference", "other"): other})
    assert found.stems == (("drums", "drums"),)
    assert not found.is_song
    assert messages([found]) == []


def test_two_stems_from_two_places_of_a_song_are_loops_and_no_song():
    other = track(9) | {"drums": track(1)["drums"], "bass": later({"": track(1)["bass"]}, 120)[""]}
    (found,) = find(corpus() | {Place("reference", "other"): other})
    assert len(found.stems) == 1


def test_one_stem_under_two_labels_counts_once():
    doubled = track(1) | {"other": track(1)["vocals"]}
    prints = corpus(1) | {Place("corpus", "a"): doubled, Place("test", "b"): track(9) | {"vocals": track(1)["vocals"]}}
    inside, across = find(prints)
    assert inside.first == inside.second
    assert not inside.is_song
    assert across.stems == (("other", "vocals"), ("vocals", "vocals"))
    assert not across.is_song


def song(a: str, b: str, *roles: str) -> Twins:
    first, second = roles or ("corpus", "corpus")
    return Twins(Place(first, a), Place(second, b), 1.0, 0.0)


def test_of_copies_the_first_stays():
    found = [song("a", "b"), song("b", "c"), song("e", "f"), song("a", "r", "corpus", "reference")]
    assert copies(found) == {"b": "a", "c": "a", "f": "e"}


def test_a_line_for_each_two_roles_and_none_for_copies_in_the_corpus():
    found = [song("a", f"r{k}", "corpus", "reference") for k in range(7)] + [
        song("a", "b"),
        song("r1", "t", "reference", "test"),
    ]
    first, second = messages(found)
    assert first.startswith("--reference: holds 7 songs of the corpus (r0 is a (100 % of its sound); r1 is a")
    assert "; …); keep the reference apart" in first
    assert "--allow-twins" in first
    assert second.startswith("--test: holds 1 songs of the reference (t is r1")


def test_a_reference_that_holds_a_song_twice_is_told_of():
    (message,) = messages([song("a", "b", "reference", "reference")])
    assert message.startswith("--reference: holds 1 songs more than once (b is a")


def test_they_come_back_from_json():
    for one in (
        song("a", "b", "corpus", "test"),
        Twins(Place("corpus", "a"), Place("test", "b"), 0.9, -2.5, (("x", "y"),)),
    ):
        assert from_dict(json.loads(json.dumps(asdict(one)))) == one


@pytest.mark.parametrize(
    "other",
    ["Fu\u0308r Elise", "FÜR ELISE", "Für  Elise ", "Für_Elise", "\u200fFür\u200b Eli\u00adse", "Ｆür Elise"],
    ids=["NFD", "capitals", "blanks", "underscore", "unseen signs", "full width"],
)
def test_a_name_is_the_same_in_another_spelling(other):
    assert plain(other) == plain("Für Elise")
    assert plain("Für Elisa") != plain("Für Elise")


def test_tracks_that_sound_too_little_are_told():
    prints = corpus(1) | {Place("test", "short"): {"": bits(1, 10)}, Place("test", "silent"): {"": bits(1, 0)}}
    assert leaks.incomparable(prints) == [Place("test", "short"), Place("test", "silent")]
