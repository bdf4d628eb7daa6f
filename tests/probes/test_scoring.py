import copy

import numpy as np
import pytest
import torch

from raysep.audio.levels import rms_dbfs
from raysep.corpus.mixing import ReferenceBank, clean_context
from raysep.errors import BadInput
from raysep.probes.catalogue import PROBES
from raysep.probes.embedders.logmel import LogMelEmbedder
from raysep.probes.gradients import weights_of, with_weights
from raysep.probes.per_track import PerTrack, mean_rank
from raysep.probes.scoring import score_track
from raysep.probes.scoring_kit import ScoringKit, ScoringOptions, label_references
from raysep.probes.seconds import by_second
from raysep.training.loss import stem_losses

RATE = 8000
STEMS = ("vocals", "drums", "bass", "other")
LENGTH = RATE  # one second


def song(seed: int, seconds: float = 4.0, swapped: bool = False) -> dict[str, np.ndarray]:
    """Bursts of noise, each stem in its own band."""
    rng = np.random.default_rng(seed)
    frames = int(seconds * RATE)
    band, stems = np.linspace(0, 1, frames // 2 + 1), {}
    for k, label in enumerate(STEMS):
        spectrum = np.fft.rfft(rng.normal(size=frames)) * np.exp(-(((band - (k + 0.5) / 4) / 0.1) ** 2))
        pulse = 0.2 + (np.sin(2 * np.pi * rng.uniform(1, 3) * np.arange(frames) / RATE) > 0)
        stems[label] = (0.3 * np.fft.irfft(spectrum, frames) * pulse)[None].astype(np.float32)
    if swapped:
        stems["bass"], stems["vocals"] = stems["vocals"], stems["bass"]
    return stems


def trained(network):
    """A few dozen steps on clean songs: enough to tell the bands apart."""
    network = copy.deepcopy(network).train()
    songs = [np.stack([song(100 + i, 1.0)[label] for label in STEMS]) for i in range(8)]
    targets = torch.from_numpy(np.stack(songs))
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(40):
        optimiser.zero_grad()
        stem_losses(network, targets.sum(dim=1), targets).mean().backward()
        optimiser.step()
    return network.eval()


@pytest.fixture(scope="module")
def kit():
    from raysep.separators.registry import build

    torch.manual_seed(0)
    sizes = {"sample_rate": RATE, "channels": 1, "n_fft": 256, "hop": 128, "hidden": 16, "layers": 1, "stems": STEMS}
    final = trained(build("openunmix-joint", **sizes))
    weights = weights_of(final)
    moved = {s: {n: w + s * 1e-3 * w.square().mean() for n, w in weights.items()} for s in (1.0, -1.0, 3.0)}
    networks = {
        "final": final,
        "early": with_weights(final, {n: 0.9 * w for n, w in weights.items()}),
        "reference": trained(build("openunmix-joint", **sizes)),
        "plus": with_weights(final, moved[1.0]),
        "minus": with_weights(final, moved[-1.0]),
        "unlearned": with_weights(final, moved[3.0]),
        "unlearned-clean": with_weights(final, moved[3.0]),
    }
    reference = {f"r{i}": song(i) for i in range(6)}
    bank = ReferenceBank(STEMS)
    for stems in reference.values():
        for label, audio in stems.items():
            bank.add(label, audio[:, : 3 * LENGTH].reshape(1, 3, LENGTH).transpose(1, 0, 2))
    options = ScoringOptions(segment_frames=LENGTH, sample_rate=RATE, batch=5, embedder="logmel")
    return ScoringKit(networks, bank, options, label_references(reference, RATE, LogMelEmbedder(RATE), cuts=30))


@pytest.fixture(scope="module")
def rows(kit):
    return score_track(kit, song(50), "judged")


def column(rows, name, stem=None):
    return np.array([row[name] for row in rows if stem in (None, row["stem"])])


def same(first, second):
    return all(
        a.keys() == b.keys() and all(a[k] == b[k] or (a[k] != a[k] and b[k] != b[k]) for k in a)
        for a, b in zip(first, second, strict=True)
    )


def test_a_row_per_stem_and_segment_with_every_probe(kit, rows):
    assert len(rows) == 4 * 4
    assert [(r["stem"], r["segment"]) for r in rows[:5]] == [("vocals", i) for i in range(4)] + [("drums", 0)]
    assert set(kit.probes) == set(PROBES) - {"unlearning-per-track"}
    for row in rows:
        assert row["stem_id"] == f"judged/{row['stem']}"
        assert row["start"] == row["segment"] * 1.0
        assert row["seconds"] == 1.0
        assert row["outcome"] == "scored"
        assert np.isfinite([row[name] for name in kit.probes]).all()


def test_the_rows_of_a_stem_hold_its_seconds_in_turn(rows):
    for label, audio in song(50).items():
        for name, shares in by_second(audio, RATE).items():
            told = [share for row in rows if row["stem"] == label for share in row[name]]
            assert told == pytest.approx(shares.tolist())


def test_clean_context_losses_are_one_by_one_forward_passes(kit, rows):
    for row in rows[::3]:
        audio = song(50)[row["stem"]][:, row["segment"] * LENGTH :][:, :LENGTH]
        partners = kit.bank.partners(row["stem_id"], row["segment"], row["stem"], 0)
        mixture = torch.from_numpy(clean_context(audio, row["stem"], partners))[None]
        losses = {}
        with torch.no_grad():
            for name in ("final", "reference", "plus", "minus"):
                network, index = kit.networks[name].double(), STEMS.index(row["stem"])
                target = network.magnitude(torch.from_numpy(audio)[None].double())
                losses[name] = float((network(mixture.double())[:, index] - target).square().mean())
                network.float()
        assert row["loss"] == pytest.approx(-10 * np.log10(losses["final"]), rel=1e-5)
        assert row["reference-loss"] == pytest.approx(-10 * np.log10(losses["reference"]), rel=1e-5)
        assert row["excess"] == pytest.approx(10 * np.log10(losses["final"] / losses["reference"]), rel=1e-3, abs=1e-4)
        slope = (losses["plus"] - losses["minus"]) / 2e-3
        assert row["influence"] == pytest.approx(slope, rel=0.02, abs=2e-4)


def test_own_context_is_the_tracks_own_mixture(kit, rows):
    stems = np.stack([song(50)[label][:, 2 * LENGTH : 3 * LENGTH] for label in STEMS])
    targets = torch.from_numpy(stems)[None]
    with torch.no_grad():
        before, after = (
            stem_losses(kit.networks[name], targets.sum(dim=1), targets)[0].double().numpy()
            for name in ("final", "unlearned")
        )
    for k, label in enumerate(STEMS):
        row = next(r for r in rows if r["stem"] == label and r["segment"] == 2)
        assert row["own-loss"] == pytest.approx(-10 * np.log10(before[k]), rel=1e-5)
        assert row["unlearning"] == pytest.approx(after[k] - before[k], rel=0.02, abs=1e-6)
        assert row["unlearning-relative"] == pytest.approx((after[k] - before[k]) / before[k], rel=0.02, abs=1e-6)


def test_a_swapped_stem_scores_below_its_clean_self(kit, rows):
    swapped = score_track(kit, song(50, swapped=True), "judged")
    found = (
        "loss",
        "reference-loss",
        "agreement",
        "self-consistency",
        "fad-z",
        "mahalanobis",
        "neighbours",
        "instrument",
    )
    for name in found:
        assert column(swapped, name, "bass").mean() < column(rows, name, "bass").mean(), name
        assert PROBES[name].oriented
    assert column(swapped, "instrument", "bass").mean() < 0 < column(rows, "instrument", "bass").mean()
    # A swap of two other stems of the track does not touch what the drums score in clean context.
    for name in ("loss", "influence", "self-consistency", "fad-z"):
        np.testing.assert_allclose(column(swapped, name, "drums"), column(rows, name, "drums"), rtol=1e-3, atol=1e-5)


def test_scores_do_not_depend_on_other_tracks_or_on_who_scores(kit, rows):
    score_track(kit, song(51, 7.3), "another")
    assert same(score_track(kit, song(50), "judged"), rows)
    reordered = dict(reversed(song(50).items()))
    assert same(score_track(kit, reordered, "judged"), rows)


def test_batch_size_changes_no_more_than_rounding(kit, rows):
    options = ScoringOptions(**{**vars(kit.options), "batch": 3})
    other = score_track(ScoringKit(kit.networks, kit.bank, options, kit.fad), song(50), "judged")
    for name in ("loss", "agreement", "self-consistency", "own-loss", "reference-loss"):
        np.testing.assert_allclose(column(other, name), column(rows, name), rtol=1e-4)


def test_files_round_trip_to_equal_scores(kit, rows):
    files = kit.to_files()
    assert all(isinstance(data, bytes) for data in files.values())
    again = ScoringKit.from_files(files)
    assert again.options == kit.options
    assert again.labels == kit.labels
    assert same(score_track(again, song(50), "judged"), rows)


def test_silent_segments_carry_no_score_and_a_silent_stem_is_silent(kit):
    audio = song(50)
    audio["vocals"][:, :LENGTH] = 0
    audio["bass"][:] = 0
    scored = score_track(kit, audio, "judged")
    assert [r["outcome"] for r in scored if r["stem"] == "vocals"] == ["silent", "scored", "scored", "scored"]
    assert {r["outcome"] for r in scored if r["stem"] == "bass"} == {"silent"}
    for row in scored:
        finite = np.isfinite([row[name] for name in kit.probes if name not in ("signal-lag",)])
        assert finite.all() if row["outcome"] == "scored" else not finite.any()


def test_a_tail_is_scored_by_its_own_level(kit):
    audio = {label: stem[:, : int(2.6 * RATE)] for label, stem in song(50).items()}
    tail = [r for r in score_track(kit, audio, "judged") if r["segment"] == 2]
    assert [r["seconds"] for r in tail] == pytest.approx([0.6] * 4)
    assert tail[0]["level_dbfs"] == pytest.approx(rms_dbfs(audio["vocals"][:, 2 * LENGTH :]))


def test_at_most_so_many_segments(kit):
    options = ScoringOptions(**{**vars(kit.options), "most_segments": 2})
    scored = score_track(ScoringKit(kit.networks, kit.bank, options, kit.fad), song(50), "judged")
    assert [r["segment"] for r in scored if r["stem"] == "drums"] == [1, 3]


def test_fewer_networks_give_fewer_columns_and_no_network_still_gives_distances(kit):
    only = ScoringKit({"final": kit.networks["final"]}, kit.bank, kit.options, kit.fad)
    row = score_track(only, song(50), "judged")[0]
    assert "loss" in row
    assert not {"influence", "excess", "unlearning", "reference-loss"} & row.keys()
    row = score_track(ScoringKit({}, None, kit.options, kit.fad), song(50), "judged")[0]
    assert np.isfinite(row["fad-z"])
    assert "loss" not in row


def test_a_track_that_lost_a_stem_is_scored_with_the_rest(kit):
    audio = song(50)
    del audio["drums"]
    scored = score_track(kit, audio, "judged")
    assert {r["stem"] for r in scored} == set(STEMS) - {"drums"}
    assert np.isfinite([[r[name] for name in kit.probes] for r in scored]).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"guitar": np.zeros((1, 4 * RATE), np.float32)}, "guitar"),
        ({"bass": np.zeros((1, RATE), np.float32)}, "shape"),
    ],
)
def test_what_cannot_be_scored_is_refused_by_name(kit, change, message):
    with pytest.raises(BadInput, match=message):
        score_track(kit, song(50) | change, "judged")


def test_unknown_networks_and_a_missing_bank_are_refused(kit):
    with pytest.raises(BadInput, match="best"):
        ScoringKit({"best": kit.networks["final"]}, kit.bank, kit.options)
    with pytest.raises(BadInput, match="reference bank"):
        score_track(ScoringKit({"final": kit.networks["final"]}, None, kit.options), song(50), "judged")


def test_references_name_the_label_that_is_missing():
    reference = {f"r{i}": song(i) for i in range(3)}
    reference["r0"]["bass"][:] = 0
    with pytest.raises(BadInput, match="bass"):
        label_references(reference, RATE)


# Some segments only

CHOSEN = {"vocals": [0, 3], "drums": [1], "bass": [], "other": [0, 1, 2, 3]}


def some(label, audible):
    return np.isin(np.arange(len(audible)), CHOSEN[label])


def chosen_of(rows):
    return [row for row in rows if row["segment"] in CHOSEN[row["stem"]]]


def test_a_row_is_the_same_whichever_others_are_read(kit, rows):
    found = score_track(kit, song(50), "judged", some)
    assert [(r["stem"], r["segment"]) for r in found] == [(r["stem"], r["segment"]) for r in rows]
    assert chosen_of(found) == [r for r in found if r["outcome"] == "scored"]
    for one, whole in zip(chosen_of(found), chosen_of(rows), strict=True):
        assert one["stem_id"] == whole["stem_id"]
        # Batches differ, so sums are rounded otherwise; a difference of two losses shows it most.
        differences = [n for n in kit.probes if n.startswith(("unlearning", "influence", "curvature"))]
        same_ = [n for n in kit.probes if n not in differences]
        assert [one[n] for n in same_] == pytest.approx([whole[n] for n in same_], rel=1e-6, abs=1e-6)
        assert [one[n] for n in differences] == pytest.approx([whole[n] for n in differences], rel=1e-3, abs=1e-6)


def test_one_by_one_a_row_is_the_same_to_the_bit(kit):
    single = ScoringKit(kit.networks, kit.bank, ScoringOptions(**{**vars(kit.options), "batch": 1}), kit.fad)
    found, everything = (chosen_of(score_track(single, song(50), "judged", choose)) for choose in (some, None))
    assert same(found, everything)


def test_an_audible_segment_that_is_not_chosen_is_unread_and_a_silent_one_silent(kit):
    audio = song(50)
    audio["vocals"][:, :LENGTH] = 0
    outcomes = {(r["stem"], r["segment"]): r["outcome"] for r in score_track(kit, audio, "judged", some)}
    assert [outcomes["vocals", i] for i in range(4)] == ["silent", "unread", "unread", "scored"]
    assert {outcomes["bass", i] for i in range(4)} == {"unread"}


def test_what_is_known_of_the_whole_stem_is_not_measured_again(kit, rows, monkeypatch):
    def fail(*arguments):
        raise AssertionError("measured again")

    monkeypatch.setattr("raysep.probes.whole_stem.WholeTrack.once", fail)
    monkeypatch.setattr("raysep.probes.scoring.stem_scores", fail)
    whole = [name for name in kit.probes if PROBES[name].context == "stem"] + ["like-embedding"]
    known = {row["stem"]: {name: row[name] for name in whole} for row in rows}
    found = chosen_of(score_track(kit, song(50), "judged", some, known))
    for one, row in zip(found, chosen_of(rows), strict=True):
        assert [one[name] for name in whole] == [row[name] for name in whole]


def test_per_track_unlearning_is_the_mean_rank_of_its_tracks(kit):
    """By hand: own losses at each moved network against those at θ0, ranked among the known ones."""
    moved = tuple(
        with_weights(kit.networks["final"], {n: (1 + e) * w for n, w in weights_of(kit.networks["final"]).items()})
        for e in (1e-3, -1e-3)
    )
    rng = np.random.default_rng(0)
    known = {label: np.sort(1e-5 * rng.normal(size=(2, 20)), axis=1) for label in STEMS}
    small = ScoringKit({"final": kit.networks["final"]}, kit.bank, kit.options, {}, PerTrack(moved, known))
    assert small.forward_passes == 2 + 3 / len(STEMS)  # clean, alone; own at θ0 and twice moved
    again = ScoringKit.from_files(small.to_files())
    for each in (small, again):
        found = score_track(each, song(50), "judged")
        losses = []
        for network in (each.networks["final"], *each.per_track.networks):
            alike = ScoringKit({"final": network}, each.bank, each.options)
            losses.append(10 ** (-np.array([row["own-loss"] for row in score_track(alike, song(50), "judged")]) / 10))
        for number, row in enumerate(found):
            tau = np.array([[losses[1][number] - losses[0][number]], [losses[2][number] - losses[0][number]]])
            expected = mean_rank(tau, known[row["stem"]])[0]
            assert row["unlearning-per-track"] == pytest.approx(expected, abs=0.06)  # a rank or two by float32 columns


# What a stem is like


def liked(kit, rows, stem):
    """What the likenesses put first in the segments of the stem."""
    return {
        kit.labels[int(np.argmax(row[each.name]))] for row in rows if row["stem"] == stem for each in kit.likenesses
    }


def test_a_row_says_what_it_is_like_by_outputs_of_the_segment_alone(kit, rows):
    assert [each.name for each in kit.likenesses] == ["like-final", "like-reference", "like-embedding"]
    for row in rows[::5]:
        audio = song(50)[row["stem"]][:, row["segment"] * LENGTH :][:, :LENGTH]
        for name in ("final", "reference"):
            with torch.no_grad():
                out = kit.networks[name](torch.from_numpy(audio)[None])[0]
                given = kit.networks[name].magnitude(torch.from_numpy(audio)[None])[0]
            expected = [10 * float(torch.log10(each.square().mean() / given.square().mean())) for each in out]
            assert row[f"like-{name}"] == pytest.approx(np.maximum(expected, -40), abs=1e-3)
        own = STEMS.index(row["stem"])
        others = [value for k, value in enumerate(row["like-embedding"]) if k != own]
        assert row["instrument"] == pytest.approx(row["like-embedding"][own] - max(others), rel=1e-6, abs=1e-4)
        consistency = row["like-final"][own] - max(v for k, v in enumerate(row["like-final"]) if k != own)
        assert row["self-consistency"] == pytest.approx(consistency, abs=1e-2) or min(row["like-final"]) <= -40


def test_swapped_stems_are_like_each_other_and_a_clean_one_like_itself(kit, rows):
    swapped = score_track(kit, song(50, swapped=True), "judged")
    assert liked(kit, rows, "bass") == {"bass"}
    assert liked(kit, swapped, "bass") == {"vocals"}
    assert liked(kit, swapped, "vocals") == {"bass"}


def test_a_silent_segment_is_like_nothing_and_a_kit_without_a_reference_has_no_embedding(kit):
    audio = song(50) | {"drums": np.zeros((1, 4 * RATE), np.float32)}
    scored = score_track(kit, audio, "judged")
    assert {row["like-final"] for row in scored if row["stem"] == "drums"} == {None}
    plain = ScoringKit(kit.networks, kit.bank, kit.options)
    assert [each.name for each in plain.likenesses] == ["like-final", "like-reference"]
    assert "like-embedding" not in score_track(plain, song(50), "judged")[0]
