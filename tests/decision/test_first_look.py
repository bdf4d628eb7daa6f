import numpy as np
import pyarrow as pa
import pytest

from raysep.decision.aggregate import numbers, probe_names
from raysep.decision.effort import allocate
from raysep.decision.first_look import _squares, between, further_segments

READ, UNREAD = 2, 6


def looked_at(world, noise=0.5, seed=0):
    """Two segments of each stem of a simulated world, either side of its scores, and six that are left."""
    rng = np.random.default_rng(seed)
    stems = world.stems.append_column("audible", pa.array(np.full(len(world.stems), READ)))
    columns = {name: stems[name].to_pylist() * READ for name in ("stem_id", "stem")}
    for name in probe_names(stems):
        if not name.endswith("_worst"):
            values = numbers(stems, name)
            step = noise * np.nanstd(values) * rng.standard_normal(len(values))
            columns[name] = np.concatenate([values + step, values - step])
    return stems, pa.table(columns), np.full(len(stems), UNREAD)


@pytest.fixture(scope="module")
def plans(simulate):
    found = []
    for seed in range(3):
        world = simulate(seed, share=0.4, tracks=40)
        stems, rows, unread = looked_at(world)
        found.append((world, stems, further_segments(stems, rows, unread, 2 * len(stems), seed=seed)))
    return found


@pytest.mark.slow
def test_the_further_segments_follow_from_what_is_written_down_and_no_role_is(plans):
    for seed, (_, _, plan) in enumerate(plans):
        assert plan.column_names == ["stem_id", "suspicion", "boundary", "variance", "read", "unread", "further"]
        names, *rest = (plan[name].to_pylist() for name in plan.column_names)
        suspicion, boundary, variance, read, unread, further = map(np.array, rest)
        assert allocate(names, suspicion, variance, read, unread, boundary, further.sum(), seed).tolist() == (
            further.tolist()
        )
        assert further.sum() == 2 * len(plan)


@pytest.mark.slow
def test_stems_near_the_boundary_get_more(plans):
    for _, _, plan in plans:
        distance = abs(numbers(plan, "suspicion") - numbers(plan, "boundary"))
        further = plan["further"].to_numpy()
        near = distance <= np.quantile(distance, 0.25)
        far = distance >= np.quantile(distance, 0.75)
        assert further[near].mean() > 4 * max(further[far].mean(), 0.1)


@pytest.mark.slow
def test_clean_stems_of_corpus_and_calibration_get_as_many(plans):
    """They must stay exchangeable: the difference of their means lies within its own noise, over some worlds together."""
    corpus, calibration = [], []
    for world, stems, plan in plans:
        clean = {row["stem_id"] for row in world.truth if row["kind"] == "clean"}
        role = stems["role"].to_pylist()
        for i, further in enumerate(plan["further"].to_pylist()):
            if role[i] == "calibration":
                calibration.append(further)
            elif plan["stem_id"][i].as_py() in clean:
                corpus.append(further)
    error = np.hypot(np.std(corpus) / len(corpus) ** 0.5, np.std(calibration) / len(calibration) ** 0.5)
    assert abs(np.mean(corpus) - np.mean(calibration)) < 3 * error


@pytest.mark.slow
def test_the_order_of_stems_and_segments_does_not_matter(simulate):
    stems, rows, unread = looked_at(simulate(1, tracks=15))
    straight = further_segments(stems, rows, unread, 100)
    order = np.random.default_rng(0).permutation(len(rows))
    other = further_segments(stems, rows.take(pa.array(order)), unread, 100)
    assert other["further"] == straight["further"]
    turned = further_segments(stems.take(pa.array(np.arange(len(stems))[::-1])), rows, unread, 100)
    assert turned.sort_by("stem_id")["further"] == straight.sort_by("stem_id")["further"]


def test_without_calibration_there_is_no_boundary_and_every_stem_gets_as_many(simulate):
    stems, rows, unread = looked_at(simulate(0, tracks=10, calibration=1, planted=0))
    plan = further_segments(stems, rows, unread, 3 * len(stems))
    assert plan["boundary"].null_count == len(stems)
    assert set(plan["further"].to_pylist()) == {3}


def test_no_stem_at_all_is_no_work():
    names = pa.array([], pa.string())
    stems = pa.table(
        {**dict.fromkeys(("stem_id", "stem", "role", "group"), names), "audible": pa.array([], pa.int64())}
    )
    assert len(further_segments(stems, pa.table({"stem_id": names, "stem": names}), np.zeros(0, int), 0)) == 0


@pytest.mark.parametrize(
    ("suspicion", "keep", "expected"),
    [([0, 1, 2, 5], [1, 1, 0, 0], 1.5), ([3, 1, 2], [1, 1, 1], 3), ([3, 1, 2], [0, 0, 0], 1), ([4, 2], [0, 1], 3)],
)
def test_the_boundary_lies_between_the_sides_or_at_the_edge_of_the_only_one(suspicion, keep, expected):
    assert between(np.array(suspicion, dtype=float), np.array(keep, dtype=bool)) == expected


def test_what_a_segment_would_add_is_read_off_the_line_through_the_stems():
    """Suspicion that is a straight line of a probe: a segment one spread off its stem is one slope off."""
    rng = np.random.default_rng(0)
    n = 200
    values = rng.standard_normal((n, 2))
    names = [f"t{i}/bass" for i in range(n)]
    stems = pa.table({"stem_id": names, "stem": ["bass"] * n, "loss": values[:, 0], "fad": values[:, 1]})
    off = 0.5 * np.where(np.arange(n) % 2, 1.0, 2.0)
    loss = np.concatenate([values[:, 0] - off, values[:, 0] + off])
    rows = pa.table({"stem_id": names * 2, "stem": ["bass"] * 2 * n, "loss": loss, "fad": np.tile(values[:, 1], 2)})
    squares = _squares(stems, rows, -3 * values[:, 0] + values[:, 1])
    inside = abs(values[:, 0]) < 2  # further out scores are clipped
    assert squares[inside] == pytest.approx((2 * (3 * off) ** 2)[inside], rel=0.25)
    assert np.median(squares[1::2]) * 4 == pytest.approx(np.median(squares[::2]), rel=1e-6)
