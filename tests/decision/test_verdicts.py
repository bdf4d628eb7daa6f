import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raysep.decision.other_label import Evidence
from raysep.decision.verdicts import SCHEMA, FalseDiscoveryRate, Ratio, Threshold, silent_posterior, summary, verdicts
from raysep.errors import BadInput
from raysep.evaluation.detection import detection


def check(decision, world):
    """What holds for every decision."""
    assert decision.schema.equals(SCHEMA)
    assert sorted(decision["stem_id"].to_pylist()) == sorted(row["stem_id"] for row in world.truth)
    rows = decision.to_pylist()
    for row in rows:
        assert np.isfinite(row["suspicion"])
        assert np.isfinite(row["weight"])
        assert 0 <= row["weight"] <= 1
        assert row["p_corrupt"] is None or 0 <= row["p_corrupt"] <= 1
        assert row["reason"]
        if row["outcome"] == "failed":
            assert (row["keep"], row["weight"], row["p_corrupt"]) == (False, 0.0, 1.0)
        if row["keep"]:
            assert row["weight"] > 0
    failed = [row["suspicion"] for row in rows if row["outcome"] == "failed"]
    others = [row["suspicion"] for row in rows if row["outcome"] != "failed"]
    assert min(failed, default=np.inf) > max(others, default=-np.inf)
    counts = summary(decision)["counts"]
    assert (
        counts["stems"] == counts["kept"] + counts["removed"] == counts["scored"] + counts["silent"] + counts["failed"]
    )
    return rows


def test_a_whole_decision(simulate):
    world = simulate(3, share=0.4, silent=5, failed=3)
    decision = verdicts(world.stems)
    rows = check(decision, world)
    found = summary(decision)
    assert found["estimated_share"] == pytest.approx(0.4, abs=0.15)
    assert found["counts"]["failed"] == 3
    assert found["counts"]["silent"] == 5
    scored = [row for row in rows if row["outcome"] == "scored"]
    assert all(row["keep"] == (row["p_corrupt"] <= 0.5) for row in scored if "floor" not in row["reason"])
    assert all(0 < row["p_value"] <= 1 for row in scored)
    order = np.argsort([row["suspicion"] for row in scored])
    assert (np.diff(np.array([row["p_corrupt"] for row in scored])[order]) >= -1e-12).all()
    assert detection(decision, world.truth, draws=20).removal.false_discoveries < 0.25


def test_summary_survives_parquet(simulate):
    decision = verdicts(simulate(0, tracks=12).stems)
    stream = io.BytesIO()
    pq.write_table(decision, stream)
    again = pq.read_table(stream)
    assert again.equals(decision)
    assert summary(again) == summary(decision)
    with pytest.raises(BadInput, match="not a decision"):
        summary(pa.table({"stem_id": ["a"]}))


@pytest.mark.parametrize("share", [0.0, pytest.param(0.2, marks=pytest.mark.long), 0.4])
@pytest.mark.slow
def test_share_and_removals_over_simulated_corpora(simulate, share):
    """The share is estimated without retraining, and a corpus with nothing wrong loses next to nothing."""
    errors, lost, precise = [], [], []
    for seed in range(4):
        world = simulate(seed, share=share)
        decision = verdicts(world.stems, strict=False)
        errors.append(abs(summary(decision)["estimated_share"] - share))
        found = detection(decision, world.truth, draws=2).removal
        lost.append(found.clean_lost)
        precise.append(found.false_discoveries)
    assert np.mean(errors) < 0.08
    assert np.mean(lost) < (0.02 if share == 0 else 0.12)
    assert share == 0 or np.mean(precise) < 0.25


def test_the_same_table_in_another_order_decides_the_same(simulate):
    world = simulate(2, tracks=20)
    order = np.random.default_rng(0).permutation(len(world.stems))
    assert verdicts(world.stems.take(pa.array(order))).equals(verdicts(world.stems))


def test_without_calibration_there_is_a_ranking_and_nothing_is_removed(simulate):
    world = simulate(4, share=0.5, calibration=1, planted=0, silent=2, failed=1)
    oriented = [
        n for n in world.stems.column_names if n in ("loss", "agreement", "self-consistency", "mahalanobis", "excess")
    ]
    decision = verdicts(world.stems, oriented=oriented)
    rows = check(decision, world)
    assert all(row["keep"] == (row["outcome"] != "failed") for row in rows)
    assert all(row["p_corrupt"] is None and row["p_value"] is None for row in rows if row["outcome"] != "failed")
    assert all("give more reference tracks" in row["reason"] for row in rows if row["outcome"] == "scored")
    found = summary(decision)
    assert found["estimated_share"] is None
    assert "calibration" in found["warning"]
    assert detection(decision, world.truth, draws=2).macro.estimate > 0.6


def test_calibration_without_planted_stems(simulate):
    world = simulate(5, share=0.4, planted=0)
    decision = verdicts(world.stems, strict=False)
    check(decision, world)
    assert summary(decision)["share"]["injection"] is None
    assert detection(decision, world.truth, draws=2).macro.estimate > 0.7


@pytest.mark.slow
def test_calibration_that_is_not_exchangeable_gives_a_ranking_only(simulate):
    world = simulate(1, share=0.1, calibration=20, strength=2.5)
    table = world.stems
    shifted = np.array(table["role"].to_pylist()) == "calibration"
    for name in ("loss", "agreement", "self-consistency", "mahalanobis", "floor", "crest"):
        values = table[name].to_numpy(zero_copy_only=False).astype(float)
        values = values + shifted * 1.5 * np.nanstd(values[shifted])
        table = table.set_column(table.column_names.index(name), name, pa.array(values, mask=~np.isfinite(values)))
    decision = verdicts(table)
    found = summary(decision)
    assert found["estimated_share"] is None
    assert "not exchangeable" in found["warning"]
    assert found["counts"]["removed"] == 0
    assert summary(verdicts(table, strict=False))["estimated_share"] is not None


def test_ratio_by_one_probe_is_the_paper_rule(simulate):
    world = simulate(6, tracks=20, silent=2, failed=1)
    decision = verdicts(world.stems, Ratio(0.3, "loss"), floor=0)
    rows = check(decision, world)
    for label in ("vocals", "drums", "bass", "other"):
        members = [row for row in rows if row["stem"] == label]
        assert sum(not row["keep"] for row in members) == round(0.3 * len(members))
    score = dict(zip(world.stems["stem_id"].to_pylist(), world.stems["loss"].to_pylist(), strict=True))
    scored = [r for r in rows if r["outcome"] == "scored" and r["stem"] == "bass" and score[r["stem_id"]] is not None]
    assert sorted(scored, key=lambda r: r["suspicion"]) == sorted(scored, key=lambda r: -score[r["stem_id"]])
    with pytest.raises(BadInput, match="no-such-probe"):
        verdicts(world.stems, Ratio(0.3, "no-such-probe"))


@pytest.mark.slow
def test_false_discovery_rate(simulate):
    proportions = []
    for seed in range(4):
        world = simulate(seed, share=0.4, calibration=40, strength=2.5)
        decision = verdicts(world.stems, FalseDiscoveryRate(0.1), strict=False)
        check(decision, world)
        proportions.append(detection(decision, world.truth, draws=2).removal.false_discoveries)
        assert summary(decision)["counts"]["removed"] > 10
    assert np.mean(proportions) < 0.2


@pytest.mark.slow
def test_false_discovery_rate_says_when_calibration_is_too_small(simulate):
    decision = verdicts(simulate(0, share=0.3, calibration=6).stems, FalseDiscoveryRate(0.02), strict=False)
    assert "calibration stems" in summary(decision)["warning"]


def test_floor_is_respected_and_said(simulate):
    world = simulate(0, tracks=8)
    rows = check(verdicts(world.stems, Threshold(0.01), floor=0.8, strict=False), world)
    for label in ("vocals", "drums", "bass", "other"):
        assert sum(row["keep"] for row in rows if row["stem"] == label) >= 7
    assert any("kept by the floor" in row["reason"] for row in rows)


def test_more_silence_than_in_the_reference_is_suspect():
    label = np.array(["bass"] * 120 + ["drums"] * 120, dtype=object)
    corpus = np.tile(np.arange(120) < 80, 2)
    outcome = np.where(np.tile(np.arange(120) < 20, 2) & (label == "bass"), "silent", "scored")
    found = silent_posterior(label, outcome, corpus, ~corpus, 0.3)
    assert found[0] > 0.7  # a quarter of the corpus' basses is silent, none of the reference's
    outcome = np.where(np.tile(np.arange(120) % 4 == 0, 2), "silent", "scored")  # as often in both
    assert np.allclose(silent_posterior(label, outcome, corpus, ~corpus, 0.3), 0.3, atol=0.05)
    assert np.allclose(silent_posterior(label, outcome, corpus, ~corpus, 0.0), 0.0, atol=0.05)


def test_everything_unreadable_or_silent(simulate):
    world = simulate(0, tracks=4, silent=16)
    rows = check(verdicts(world.stems), world)
    assert {row["outcome"] for row in rows} == {"silent"}
    world = simulate(0, tracks=4, failed=16)
    assert not any(row["keep"] for row in check(verdicts(world.stems), world))


def test_no_corpus_stem_is_refused(simulate):
    table = simulate(0, tracks=4).stems
    with pytest.raises(BadInput, match="no corpus stem"):
        verdicts(table.filter(pa.compute.not_equal(table["role"], "corpus")))


# The label that a removed stem belongs to


LABELS = ("vocals", "drums", "bass", "other")
EVIDENCE = Evidence(LABELS, {"like-a": ("a", "dB", True), "like-b": ("b", "dB", True)})


def with_likeness(stems: pa.Table, elsewhere: dict[str, str]) -> pa.Table:
    """Every stem plainly like its own label, and these like another one."""
    likes = [
        elsewhere.get(i, label)
        for i, label in zip(stems["stem_id"].to_pylist(), stems["stem"].to_pylist(), strict=True)
    ]
    lists = pa.array([[0.0 if label == like else -20.0 - k % 3 for label in LABELS] for k, like in enumerate(likes)])
    return stems.append_column("like-a", lists).append_column("like-b", lists)


@pytest.fixture(scope="module")
def world(simulate):
    return simulate(3, share=0.4, strength=2.5, silent=5, failed=3)


@pytest.fixture(scope="module")
def heard(simulate):
    """Without silent stems, whose sound would be looked for in others."""
    return simulate(3, share=0.4, strength=2.5, failed=3)


@pytest.fixture(scope="module")
def plain(heard):
    """What is decided of it without a likeness to labels."""
    return verdicts(heard.stems)


@pytest.mark.slow
def test_removed_stems_alone_get_the_label_they_belong_to_and_nothing_else_changes(heard, plain):
    other = dict(zip(LABELS, (*LABELS[1:], LABELS[0]), strict=True))
    rows = [row for row in heard.stems.to_pylist() if row["role"] == "corpus"]
    stems = with_likeness(heard.stems, {row["stem_id"]: other[row["stem"]] for row in rows})
    decision = verdicts(stems, evidence=EVIDENCE)
    unchanged = [name for name in SCHEMA.names if name not in ("label", "reason")]
    assert decision.select(unchanged).equals(plain.select(unchanged))
    for row, before in zip(check(decision, heard), plain.to_pylist(), strict=True):
        moved = not row["keep"] and row["outcome"] == "scored"
        assert row["label"] == (other[row["stem"]] if moved else None)
        assert row["reason"].startswith(before["reason"])
        assert ("sounds like" in row["reason"]) == moved
    moved = [row for row in decision.to_pylist() if row["label"]]
    assert summary(decision)["counts"]["other_label"] == len(moved) > 0
    assert summary(decision)["first_other_label"] == f"{moved[0]['stem_id']} like {moved[0]['label']}"
    assert summary(plain)["first_other_label"] is None
    assert summary(plain)["counts"]["other_label"] == 0


@pytest.mark.slow
def test_without_evidence_no_label_is_proposed(world):
    stems = with_likeness(world.stems, {})
    for evidence in (None, Evidence((), {}), EVIDENCE):
        assert verdicts(stems, evidence=evidence)["label"].null_count == 240


def unsuspected(decision: pa.Table, count: int) -> list[str]:
    """The corpus stems of the first tracks whose stems are all scored and kept."""
    tracks: dict[str, list[str]] = {}
    for row in decision.to_pylist():
        tracks.setdefault(row["track"], []).append(row["stem_id"] if row["keep"] and row["outcome"] == "scored" else "")
    return sorted(track for track, stems in tracks.items() if all(stems))[:count]


@pytest.mark.slow
def test_exchanged_stems_are_wrong_whatever_the_probes_say(heard, plain):
    (track,) = unsuspected(plain, 1)
    pair = {f"{track}/vocals": "bass", f"{track}/bass": "vocals"}
    stems = with_likeness(heard.stems, pair)
    before, after = (
        {row["stem_id"]: row for row in table.to_pylist()} for table in (plain, verdicts(stems, evidence=EVIDENCE))
    )
    clean_pairs = 6 * len({r["track"] for r in heard.stems.to_pylist() if r["role"] == "calibration"})
    for stem_id, label in pair.items():
        row = after[stem_id]
        assert not row["keep"]
        assert row["label"] == label
        assert row["p_corrupt"] >= 1 - 1 / (clean_pairs + 1) > 0.9
        assert row["suspicion"] > before[stem_id]["suspicion"]
        assert row["harm"] >= row["p_corrupt"] - 1e-9
        assert f"exchanged with the track's {label}" in row["reason"]
    for stem_id, row in after.items():
        if stem_id not in pair:
            assert row == before[stem_id]
    by_probe = verdicts(
        stems, Ratio(0.3, "loss"), evidence=EVIDENCE
    )  # who names a probe is decided for by that probe alone
    assert by_probe["suspicion"].equals(verdicts(stems, Ratio(0.3, "loss"))["suspicion"])


@pytest.mark.slow
def test_a_harm_that_is_not_known_stays_so_whatever_speaks_against_a_stem(simulate):
    world = simulate(5, share=0.2, strength=2.5, silent=12, planted_kinds=("swap",))  # nothing harmless to compare with
    (track,) = unsuspected(verdicts(world.stems), 1)
    stems = with_likeness(world.stems, {f"{track}/vocals": "bass", f"{track}/bass": "vocals"})
    decision = verdicts(stems, evidence=EVIDENCE)
    assert summary(decision)["counts"]["other_label"] >= 2
    assert decision["harm"].null_count == len(decision)  # a small number here would look harmless


@pytest.mark.slow
def test_the_sound_of_a_silent_stem_is_looked_for_in_its_track(simulate):
    world = simulate(5, share=0.2, strength=2.5)
    rows = with_likeness(world.stems, {}).to_pylist()
    # Silent in a corpus whose reference is never silent: most of them are wrong.
    tracks = unsuspected(verdicts(world.stems), 12)
    for row in rows:
        if row["track"] in tracks and row["stem"] == "vocals":
            row |= {"outcome": "silent"} | {name: None for name, value in row.items() if isinstance(value, float)}
        elif row["track"] in tracks and row["stem"] == "bass":
            row["like-a"], row["like-b"] = ([-3.0, -20.0, 0.0, -20.0] for _ in range(2))
    stems = pa.Table.from_pylist(rows, schema=with_likeness(world.stems, {}).schema)
    with_evidence, without = verdicts(stems, evidence=EVIDENCE), verdicts(stems)
    after, before = ({row["stem_id"]: row for row in table.to_pylist()} for table in (with_evidence, without))
    for track in tracks:
        receiver, drums = after[f"{track}/bass"], after[f"{track}/drums"]
        assert receiver["p_corrupt"] > max(0.5, before[f"{track}/bass"]["p_corrupt"])
        assert not receiver["keep"]
        assert "the track's vocals is silent and may be in it" in receiver["reason"]
        assert drums["keep"]
    assert summary(with_evidence)["estimated_share"] == summary(without)["estimated_share"]


# The evidence that the rule would remove


def test_evidence_goes_the_way_of_the_corpus_stems_that_are_as_suspect(simulate):
    stems = simulate(share=0.4, seed=3).stems
    found = summary(verdicts(stems, Ratio(0.4)))["evidence_removed"]
    roles = {row["stem_id"]: row["role"] for row in stems.to_pylist()}
    kinds = [roles[stem_id] for stem_id in found]
    assert found == sorted(set(found))
    assert set(kinds) <= {"planted", "calibration"}
    planted = sum(role == "planted" for role in roles.values())
    assert kinds.count("planted") > planted / 2 > kinds.count("calibration")


def test_no_evidence_is_removed_where_nothing_is(simulate):
    found = summary(verdicts(simulate(share=0.0, seed=3).stems, Ratio(0.0)))
    assert found["evidence_removed"] == []


@pytest.mark.slow
@pytest.mark.parametrize("share", [pytest.param(0.0, marks=pytest.mark.long), 0.4])
def test_folds_of_a_small_reference_decide_no_worse_than_its_parts(simulate, share):
    """Ten tracks, each clean and planted, against four that are clean and two that are planted in three copies."""
    errors: dict[str, list[float]] = {"parts": [], "folds": []}
    lost, seen = [], []
    for seed in range(4):
        worlds = {
            "parts": simulate(seed, share=share, calibration=4, planted=2, copies=3),
            "folds": simulate(seed, share=share, calibration=10, planted=10, copies=1, folds=2),
        }
        for name, world in worlds.items():
            decision = verdicts(world.stems, strict=False)
            errors[name].append(abs(summary(decision)["estimated_share"] - share))
            if name == "folds":
                found = detection(decision, world.truth, draws=2)
                lost.append(found.removal.clean_lost)
                seen.append(found.macro.estimate)
                assert summary(decision)["evidence"]["calibration"] == 40
    assert np.mean(errors["folds"]) < max(0.08, np.mean(errors["parts"]))
    assert np.mean(lost) < (0.02 if share == 0 else 0.12)
    assert share == 0 or np.mean(seen) > 0.8


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tracks", "calibration"),
    [(10, 10), *(pytest.param(*size, marks=pytest.mark.long) for size in ((30, 40), (60, 40)))],
)
def test_of_corpora_without_faults_at_most_three_stems_in_a_hundred_are_removed(simulate, tracks, calibration):
    lost = []
    for seed in range(12):
        world = simulate(seed, share=0.0, strength=3.0, tracks=tracks, calibration=calibration)
        lost.append(1 - np.mean(verdicts(world.stems)["keep"].to_pylist()))
    assert np.mean(lost) <= 0.03
