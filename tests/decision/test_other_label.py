"""Which other label a removed stem belongs to: simulated sources, and what holds whatever they say."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysep.decision.other_label import (
    FEWEST,
    Evidence,
    bounds,
    exchange,
    found_of,
    margins,
    other_labels,
    pairs_of,
    why_none,
)

LABELS = ("vocals", "drums", "bass", "other")
EVIDENCE = Evidence(
    LABELS,
    {
        "like-net": ("the network", "dB", True),
        "like-frames": ("the embedding", "nats", True),
        "like-own": ("the trained network", "dB", False),
    },
)
CLEAN, AWAY = 20.0, -20.0  # dB of a stem's own output, and of the others


def like(rng, *sounding: int, spread: float = 3.0, unit: float = 1.0) -> list[float]:
    """What a source says of a stem in which these labels sound."""
    values = np.full(len(LABELS), AWAY)
    values[list(sounding)] = 0.0
    return (unit * (values + spread * rng.standard_normal(len(LABELS)))).tolist()


def row(rng, track: str, stem: str, role: str, *sounding: int, outcome: str = "scored") -> dict:
    found = {"track": track, "stem": stem, "stem_id": f"{track}/{stem}", "role": role, "outcome": outcome}
    sounding = sounding or (LABELS.index(stem),)
    found["like-net"] = like(rng, *sounding)
    found["like-frames"] = like(rng, *sounding, unit=0.01)
    found["like-own"] = like(rng, *sounding)
    return found


def calibration(rng, tracks: int = 10) -> list[dict]:
    return [row(rng, f"ref-{t}", label, "calibration") for t in range(tracks) for label in LABELS]


def found_in(rows: list[dict], evidence: Evidence = EVIDENCE) -> dict[str, str]:
    return {stem_id: other.label for stem_id, other in other_labels(pa.Table.from_pylist(rows), evidence).items()}


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_swapped_stems_are_found_and_clean_ones_and_merged_ones_are_not(rng):
    corpus = [row(rng, f"clean-{t}", label, "corpus") for t in range(20) for label in LABELS]
    corpus += [row(rng, f"swap-{t}", "vocals", "corpus", 2) for t in range(20)]
    corpus += [row(rng, f"merge-{t}", "drums", "corpus", 1, 0) for t in range(20)]
    corpus += [row(rng, f"foreign-merge-{t}", "drums", "corpus", 2, 0) for t in range(20)]
    found = found_in(calibration(rng) + corpus)
    assert set(found.values()) == {"bass"}
    assert {stem_id.partition("-")[0] for stem_id in found} == {"swap"}
    assert len(found) >= 16


def plainly(stem: str, label: str, by: float = 30.0) -> dict:
    """What all sources say of a stem of track A that is like ``label`` by so many dB, and a hundredth of it in nats."""
    rng, k = np.random.default_rng(0), LABELS.index(label)
    values = np.where(np.arange(4) == k, 0.0, -by)
    about = row(rng, "A", stem, "corpus", k)
    return about | {"like-net": values.tolist(), "like-frames": (0.01 * values).tolist(), "like-own": values.tolist()}


BY_THIRTY = "(30 dB by the network, 0.3 nats by the embedding, 30 dB by the trained network)"


def test_the_words_say_who_and_by_how_much_and_what_was_exchanged(rng):
    corpus = [plainly("vocals", "bass"), plainly("bass", "vocals"), plainly("drums", "bass")]
    told = other_labels(pa.Table.from_pylist(calibration(rng) + corpus), EVIDENCE)
    together = "(together 60 dB by the network, 0.6 nats by the embedding)"
    assert told["A/vocals"].words == f"exchanged with the track's bass {together}"
    assert told["A/bass"].words == f"exchanged with the track's vocals {together}"
    assert told["A/drums"].words == f"sounds like bass {BY_THIRTY}"


def test_what_was_found_is_read_back_in_short_from_the_reason_of_a_decision(rng):
    corpus = [plainly("vocals", "bass"), plainly("bass", "vocals"), plainly("drums", "bass")]
    told = other_labels(pa.Table.from_pylist(calibration(rng) + corpus), EVIDENCE)
    rows = {name: {"label": each.label, "reason": f"a rule; {each.words}; more"} for name, each in told.items()}
    assert found_of(rows["A/vocals"]) == "exchanged with the track's bass"
    assert found_of(rows["A/drums"]) == "sounds like bass"
    assert found_of({"label": None, "reason": rows["A/drums"]["reason"]}) == ""
    assert found_of({"label": "bass", "reason": "you: bass; a rule"}) == ""


def test_two_stems_that_were_exchanged_say_so_together_more_surely_than_alone(rng):
    weak = plainly("bass", "vocals", by=6.0)  # more than clean stems are drawn away, less than a clean voice shows
    assert found_in([*calibration(rng), weak]) == {}
    assert found_in([*calibration(rng), weak, plainly("vocals", "bass")]) == {"A/vocals": "bass", "A/bass": "vocals"}
    both = [
        weak,
        plainly("vocals", "bass", by=6.0),
    ]  # less than the least clear pair of clean stems is like its own names
    assert found_in([*calibration(rng), *both]) == {}


def test_no_stem_is_taken_for_another_that_sounds_like_a_third(rng):
    weak = plainly("bass", "vocals", by=6.0)
    assert found_in([*calibration(rng), weak, plainly("drums", "bass")]) == {"A/drums": "bass"}


def test_one_unusual_stem_has_the_others_of_its_track_against_it(rng):
    own = [plainly(label, label, by=10.0) for label in ("vocals", "drums", "other")]
    assert found_in([*calibration(rng), *own, plainly("bass", "vocals", by=6.0)]) == {}


def test_of_several_pairs_the_surest_counts_and_no_stem_is_in_two(rng):
    torn = plainly("vocals", "bass") | {"like-net": [-25.0, -9.0, 0.0, -9.0], "like-frames": [-0.3, -0.1, 0.0, -0.1]}
    rows = [*calibration(rng), torn, plainly("bass", "vocals"), plainly("drums", "drums", by=3.0)]
    for order in (rows, rows[::-1]):
        assert found_in(order) == {"A/vocals": "bass", "A/bass": "vocals"}


def test_clean_corpora_have_no_exchanges(rng):
    for number in range(20):
        corpus = [row(rng, f"c{number}-{k}", name, "corpus", j) for k in range(10) for j, name in enumerate(LABELS)]
        assert found_in([*calibration(rng), *corpus]) == {}


def test_few_clean_pairs_say_nothing_of_exchanges(rng):
    few = [r for r in calibration(rng) if r["track"] in ("ref-0", "ref-1")]
    both = [plainly("bass", "vocals"), plainly("vocals", "bass")]
    assert found_in([*few, *both]) == {}


@given(st.integers(0, 10_000))
def test_an_exchange_is_the_loss_of_likeness_under_the_names_as_they_are(seed):
    rng = np.random.default_rng(seed)
    like, own = rng.standard_normal((6, 4)), np.array([0, 1, 2, 3, 0, 1])
    pairs = pairs_of(["A", "A", "A", "B", "B", "A"], own, np.array([True] * 5 + [False]))
    assert {tuple(p) for p in pairs.tolist()} == {(0, 1), (0, 2), (1, 2), (3, 4)}
    for (i, j), found in zip(pairs.tolist(), exchange(like, own, pairs), strict=True):
        as_named = like[i, own[i]] + like[j, own[j]]
        exchanged = like[i, own[j]] + like[j, own[i]]
        assert found == pytest.approx(exchanged - as_named)


def test_the_network_that_saw_the_stem_must_agree_but_by_no_margin(rng):
    swapped = plainly("vocals", "bass") | {"like-own": [0.0, -9.0, 0.1, -9.0]}
    assert found_in([*calibration(rng), swapped]) == {"A/vocals": "bass"}
    assert found_in([*calibration(rng), swapped | {"like-own": [0.1, -9.0, 0.0, -9.0]}]) == {}


def test_it_takes_two_sources_that_never_saw_the_corpus(rng):
    rows, sources = [*calibration(rng), plainly("vocals", "bass")], EVIDENCE.sources
    for left_out in ("like-net", "like-frames"):
        fewer = Evidence(LABELS, {k: v for k, v in sources.items() if k != left_out})
        assert found_in(rows, fewer) == {}
        assert not fewer.enough
    assert found_in(rows, Evidence(LABELS, {k: v for k, v in sources.items() if k != "like-own"})) == {
        "A/vocals": "bass"
    }


@pytest.mark.parametrize("change", ["sources differ", "one has no number", "too few clean stems", "silent", "a gap"])
def test_what_is_not_beyond_doubt_is_not_found(rng, change):
    known, swapped = calibration(rng), row(rng, "A", "vocals", "corpus", 2)
    assert found_in([*known, swapped]) == {"A/vocals": "bass"}
    if change == "sources differ":
        swapped["like-frames"] = like(rng, 1, unit=0.01)
    elif change == "one has no number":
        swapped["like-frames"] = None
    elif change == "a gap":
        swapped["like-net"][0] = float("nan")
    elif change == "silent":
        swapped |= {"outcome": "silent"}
    else:
        known = [r for r in known if r["stem"] != "bass" or int(r["track"][4:]) < FEWEST - 1]
    assert found_in([*known, swapped]) == {}


def test_one_clean_stem_that_is_drawn_away_asks_for_more(rng):
    known, swapped = calibration(rng), row(rng, "A", "vocals", "corpus", 2)
    known[3]["like-net"] = (np.array(like(rng, 0)) * 2).tolist()  # an "other" that sounds like a voice by 40 dB
    assert found_in([*known, swapped]) == {}


def test_without_sources_or_roles_nothing_is_found(rng):
    rows = [*calibration(rng), row(rng, "A", "vocals", "corpus", 2)]
    assert found_in(rows, Evidence((), {})) == {}
    assert found_in([{k: v for k, v in each.items() if k != "role"} for each in rows]) == {}
    assert found_in([each for each in rows if each["role"] == "corpus"]) == {}


def test_why_none_is_found_is_said(rng):
    table = pa.Table.from_pylist(calibration(rng, FEWEST))
    assert why_none(table, EVIDENCE) == "none of the removed ones is like one beyond doubt"
    assert "2 of bass; 3 are needed): give more reference" in why_none(
        table.filter(pc.not_equal(table["stem_id"], "ref-0/bass")), EVIDENCE
    )
    assert "two sources that never saw the corpus" in why_none(table, Evidence((), {}))


def test_margins_against_a_loop(rng):
    values = rng.standard_normal((7, 4))
    expected = [[r[k] - max(r[j] for j in range(4) if j != k) for k in range(4)] for r in values]
    np.testing.assert_allclose(margins(values), expected)
    values[2, 1] = np.nan
    assert np.isnan(margins(values)[2]).all()


def test_bounds_of_clean_stems_that_are_never_drawn_away_are_their_own_margins():
    own = np.repeat(np.arange(2), 10)
    margin = np.where(own[:, None] == np.arange(2), 1.0, -1.0) * np.arange(1, 21)[:, None]
    found = bounds(margin, own)
    assert (found.drawn, found.home.tolist()) == (0.0, [1.0, 11.0])  # the tenth part from below: the first of ten
    assert found.passed(11.0, 1, alike=True)
    assert not found.passed(10.9, 1, alike=True)
    assert found.passed(0.1, 1, alike=False)
    assert not found.passed(0.0, 1, alike=False)
    margin[0] = -1.0, 15.0  # one that is drawn away
    found = bounds(margin, own)
    assert [found.passed(15.0, 1, alike) for alike in (True, False)] == [False, False]
    assert [found.passed(15.1, 1, alike) for alike in (True, False)] == [True, True]
    few = bounds(margin[:12], own[:12])
    assert not few.passed(99.0, 1, alike=False)


NUMBERS = st.one_of(st.floats(-60, 60), st.just(float("nan")))
ROWS = st.lists(
    st.tuples(
        st.sampled_from(LABELS),
        st.sampled_from(["calibration", "corpus", "planted"]),
        st.sampled_from(["scored", "silent", "failed"]),
        st.one_of(st.none(), st.lists(NUMBERS, min_size=4, max_size=4)),
        st.one_of(st.none(), st.lists(NUMBERS, min_size=4, max_size=4)),
    ),
    max_size=30,
)


@given(drawn=ROWS, swaps=st.integers(0, 3), seed=st.integers(0, 99), data=st.data())
def test_whatever_the_sources_say(drawn, swaps, seed, data):
    """Never its own label, only scored stems, the same in every order, and untouched by other tracks of the corpus."""
    rng = np.random.default_rng(seed)
    rows = calibration(rng, 5) + [row(rng, f"swap-{k}", "vocals", "corpus", 2) for k in range(swaps)]
    for number, (stem, role, outcome, net, frames) in enumerate(drawn):
        about = {"track": f"t{number}", "stem": stem, "stem_id": f"t{number}/{stem}", "role": role, "outcome": outcome}
        rows.append(about | {"like-net": net, "like-frames": frames, "like-own": net})
    found, own = found_in(rows), {each["stem_id"]: each for each in rows}
    assert all(label != own[stem_id]["stem"] for stem_id, label in found.items())
    assert all(own[stem_id]["outcome"] == "scored" for stem_id in found)
    assert found_in(data.draw(st.permutations(rows))) == found
    near = {own[stem_id]["track"] for stem_id in found}
    alone = [each for each in rows if each["role"] == "calibration" or each["track"] in near]
    assert {k: v for k, v in found_in(alone).items() if own[k]["role"] != "calibration"} == {
        k: v for k, v in found.items() if own[k]["role"] != "calibration"
    }


# Songs


@pytest.fixture(scope="module")
def songs(corpora):
    """Rendered songs, track → label → audio: those of the reference, and others."""
    from raysep.corpus.layouts import stems_of
    from raysep.corpus.manifest import tracks_of
    from raysep.corpus.reading import read_stem

    def read(place: str) -> dict[str, dict[str, np.ndarray]]:
        tracks = tracks_of(stems_of(place).stems)
        return {name: {k: read_stem(s, 8000, 1) for k, s in stems.items()} for name, stems in tracks.items()}

    return read(corpora.reference), read(corpora.clean)


def trained(reference):
    """A small network that learned the songs of the reference, remixed, for seconds."""
    import torch

    from raysep.separators.registry import build
    from raysep.training import loop
    from raysep.training.pool import SegmentPool
    from raysep.training.recipe import Recipe

    torch.manual_seed(0)
    pool = SegmentPool(LABELS, 2**26)
    for track, stems in reference.items():
        for label, audio in stems.items():
            pool.add(f"{track}/{label}", 0, label, audio)
    sizes = {"sample_rate": 8000, "channels": 1, "n_fft": 512, "hop": 256, "hidden": 32, "layers": 1, "stems": LABELS}
    network = build("openunmix-joint", **sizes)
    network.set_input_statistics(torch.from_numpy(pool.draw(16, 8000, 0, 1).sum(axis=1)))
    recipe = Recipe(steps=250, batch=8, segment_seconds=1.0, learning_rate=5e-3, warmup=10, seed=0)
    loop.train(network, lambda step: pool.draw(8, 8000, step, 0), recipe)
    return network.eval()


@pytest.mark.train
@pytest.mark.long
def test_swapped_stems_of_songs_are_found_and_merged_and_clean_ones_are_left(songs):
    """The whole way from samples: what a network of the reference puts out, the embedding, the stems' table."""
    from raysep.corpus.mixing import ReferenceBank
    from raysep.decision.aggregate import per_stem, with_roles
    from raysep.decision.roles import Role
    from raysep.probes.embedders.logmel import LogMelEmbedder
    from raysep.probes.likeness import LIKENESSES
    from raysep.probes.scoring import ScoringKit, ScoringOptions, label_references, score_track

    reference, others = songs
    known = dict(list(reference.items())[:5])
    bank = ReferenceBank(LABELS)
    for stems in known.values():
        for label, audio in stems.items():
            bank.add(label, audio[None, :, :8000])
    options = ScoringOptions(segment_frames=8000, sample_rate=8000, most_segments=4, embedder="logmel")
    kit = ScoringKit(
        {"reference": trained(known)}, bank, options, label_references(known, 8000, LogMelEmbedder(8000), cuts=10)
    )
    tracks = {f"calibration-{name}": dict(stems) for name, stems in list(reference.items())[5:]}
    expected, corpus = {}, set()
    for number, (name, stems) in enumerate(others.items()):
        first, second = (LABELS[(number + k) % 4] for k in (0, 1 + number % 3))
        swapped, merged = dict(stems), dict(stems)
        swapped[first], swapped[second] = stems[second], stems[first]
        merged[first], merged[second] = stems[first] + stems[second], np.zeros_like(stems[second])
        tracks |= {f"swap-{name}": swapped, f"merge-{name}": merged}
        expected |= {f"swap-{name}/{first}": second, f"swap-{name}/{second}": first}
    rows = [row for name, stems in tracks.items() for row in score_track(kit, stems, name)]
    sources = {each.name: (each.about, each.unit, each.apart) for each in kit.likenesses}
    assert set(sources) == {"like-reference", "like-embedding"} < set(LIKENESSES)
    stems = per_stem(rows, [], likenesses=list(sources))
    corpus = {i for i in stems["stem_id"].to_pylist() if not i.startswith("calibration-")}
    roles = {i: Role("calibration", "clean", i.split("/")[0]) for i in stems["stem_id"].to_pylist() if i not in corpus}
    found = other_labels(with_roles(stems, corpus, roles), Evidence(LABELS, sources))
    assert {i: other.label for i, other in found.items()}.items() <= expected.items()
    assert len(found) >= len(expected) / 4
