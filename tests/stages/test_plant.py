from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysep import config as settings
from raysep.corpus import layouts, manifest
from raysep.corpus.manifest import Stem
from raysep.corpus.reading import read_stem
from raysep.decision.fusion import FEWEST_TRACKS
from raysep.stages import plant
from raysep.stages.inputs import Inputs

LABELS = settings.LABELS


def reference_of(count: int) -> list[Stem]:
    return [Stem(f"t{k}/{s}", f"t{k}", s, "", 8000, 1, 8, "", 0, "") for k in range(count) for s in LABELS]


def names(stems: list[Stem]) -> set[str]:
    return {s.track for s in stems}


@given(
    count=st.integers(1, 40),
    seed=st.integers(0, 99),
    unlearning=st.floats(0.05, 0.95),
    rest=st.floats(0.05, 0.95),
    least=st.integers(5, 12),
)
def test_the_parts_are_whole_tracks_that_never_overlap(count, seed, unlearning, rest, least):
    shares = {"unlearning": unlearning, "calibration": rest * (1 - unlearning), "least_tracks": least}
    config = settings.preset("smallest", {"seed": seed, "planting": shares})
    parts = plant.split(reference_of(count), config)
    assert sum(map(len, parts)) == count * len(LABELS)
    assert sorted(s for part in parts for s in part) == sorted(reference_of(count))
    assert sum(len(names(part)) for part in parts) == count
    if count < least:
        assert [len(names(part)) for part in parts] == [count, 0, 0]
    else:
        assert all(parts)
        assert len(names(parts[1])) >= FEWEST_TRACKS


def test_the_split_follows_from_seed_and_names_alone():
    config = settings.preset("tiny")
    first = [names(p) for p in plant.split(reference_of(20), config)]
    assert [names(p) for p in plant.split(reference_of(20)[::-1], config)] == first
    other = settings.preset("tiny", {"seed": 1})
    assert [names(p) for p in plant.split(reference_of(20), other)] != first
    assert [len(p) for p in first] == [8, 7, 5]  # 40 %, 35 % and the rest of twenty


@pytest.fixture
def reference(tmp_path, write_tracks):
    folder = write_tracks(tmp_path / "reference", [f"ref{k}" for k in range(6)], seconds=1.0)
    return layouts.scan(folder, LABELS, split="reference").stems


def test_planted_copies_are_corrupted_files_with_roles(reference, make_context):
    context = make_context(planting={"kinds": ["noise"], "copies": 2})
    planting = plant.plant(context, Inputs([], reference, []))
    assert names(planting.unlearning) | names(planting.calibration) < names(reference)
    injected = names(reference) - names(planting.unlearning) - names(planting.calibration)
    assert names(planting.planted) == {f"planted-{copy}-{track}" for copy in (0, 1) for track in injected}
    originals = {s.stem_id: s for s in reference}
    roles = planting.roles
    changed = 0
    for stem in planting.planted:
        origin = stem.track.split("-", 2)[2]
        written = read_stem(stem, 8000, 1)  # also checks the manifest row against the file
        before = read_stem(originals[f"{origin}/{stem.stem}"], 8000, 1)
        differs = bool(np.abs(written - before).max() > 2 / 32768)
        assert differs == (stem.stem_id in roles)
        if differs:
            assert roles[stem.stem_id] == ("planted", "noise", origin)
            changed += 1
    assert changed == pytest.approx(plant.PLANTED_SHARE * len(planting.planted), abs=len(LABELS))
    assert {i for i, role in roles.items() if role[0] == "calibration"} == {s.stem_id for s in planting.calibration}
    # Training sees calibration stems and corrupted copies, and no clean copy of either.
    assert {s.stem_id for s in planting.trained} == set(roles)


def test_the_copies_of_a_track_are_corrupted_differently(reference, make_context):
    context = make_context(planting={"kinds": ["noise"], "copies": 2})
    planting = plant.plant(context, Inputs([], reference, []))
    pairs = 0
    for stem in planting.planted:
        twin = stem.stem_id.replace("planted-0-", "planted-1-", 1)
        if stem.track.startswith("planted-0-") and {stem.stem_id, twin} <= set(planting.roles):
            audio = [
                context.run.read_bytes("planted", *i.split("/")[:-1], f"{stem.stem}.wav") for i in (stem.stem_id, twin)
            ]
            assert audio[0] != audio[1]
            pairs += 1
    assert pairs


def test_planting_is_done_once_and_the_same_everywhere(reference, make_context, tmp_path, monkeypatch):
    context = make_context()
    first = plant.plant(context, Inputs([], reference, []))

    def never(*arguments):
        raise AssertionError("planted twice")

    with monkeypatch.context() as patch:
        patch.setattr(plant, "_corrupt", never)
        assert plant.plant(context, Inputs([], reference, [])) == first
    files = {s.stem_id: context.run.read_bytes("planted", s.track, f"{s.stem}.wav") for s in first.planted}
    (tmp_path / "run").rename(tmp_path / "elsewhere")
    again = plant.plant(make_context(), Inputs([], reference[::-1], []))
    assert again == first
    assert files == {s.stem_id: context.run.read_bytes("planted", s.track, f"{s.stem}.wav") for s in again.planted}


def test_a_reference_too_small_to_calibrate_plants_nothing(reference, make_context):
    small = [s for s in reference if s.track in ("ref0", "ref1")]
    planting = plant.plant(make_context(), Inputs([], small, []))
    assert (planting.unlearning, planting.calibration, planting.planted, planting.roles) == (small, [], [], {})
    assert planting.trained == []
    assert manifest.tracks_of(planting.planted) == {}
