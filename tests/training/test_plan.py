from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysep.cluster.fit import READ_CPUS, ROOM, Group, scaling
from raysep.corpus import manifest, storage
from raysep.corpus.manifest import Stem
from raysep.resources import Resources
from raysep.training.entry import Entry
from raysep.training.plan import Plan, deal, share_of, sidecar_of
from raysep.training.recipe import Recipe

LABELS = ("bass", "drums", "vocals")


def stem(track: str, label: str) -> Stem:
    return Stem(f"{track}/{label}", track, label, f"/no/{track}/{label}.wav", 8000, 1, 8000, "WAV/PCM_16", 16044, "")


def plan_of(out: str, **changes) -> Plan:
    stems = tuple(Entry(stem(f"t{k}", label)) for k in range(3) for label in LABELS)
    settings = {"name": "x", "stems": stems, "model": "openunmix-joint", "arguments": {"hidden": 8}, "out": out}
    return Plan(**settings | {"recipe": Recipe(steps=5), "labels": LABELS} | changes)


def group_of(**changes) -> Group:
    return Group(**{"workers": 4, "threads": 1, "memory_gib": 1.0, "storage_path": "/x", "name": "x"} | changes)


# Dealing

CORPUS = st.sets(st.tuples(st.integers(0, 30), st.sampled_from(LABELS)), min_size=1)


@given(corpus=CORPUS, count=st.integers(1, 6), order=st.randoms(use_true_random=False))
def test_every_part_gets_an_equal_share_of_every_label(corpus, count, order):
    entries = [Entry(stem(f"t{k}", label), 0.5 + k) for k, label in sorted(corpus)]
    parts = deal(entries, count)
    held = Counter(label for _, label in corpus)
    for label, number in held.items():
        shares = [[entry for entry in part if entry.stem.stem == label] for part in parts]
        if number < count:
            assert all(sorted(share) == sorted(e for e in entries if e.stem.stem == label) for share in shares)
        else:
            assert max(map(len, shares)) - min(map(len, shares)) <= 1
            assert sorted(e for share in shares for e in share) == sorted(e for e in entries if e.stem.stem == label)
    assert {entry.stem.stem for entry in parts[-1]} == set(held)
    shuffled = list(entries)
    order.shuffle(shuffled)
    assert deal(shuffled, count) == parts


def test_labels_alternate_so_that_any_stretch_has_all_of_them():
    """A corpus larger than the pool: a pool of a sixth of it must find every label at any time."""
    entries = [Entry(stem(f"t{k}", label)) for label in LABELS for k in range(60 if label == "bass" else 20)]
    for part in deal(entries, 2):
        for start in range(len(part) - 12):
            assert {entry.stem.stem for entry in part[start : start + 12]} == set(LABELS)


def test_stems_are_dealt_by_the_label_they_are_used_as():
    entries = [Entry(stem(f"t{k}", "drums"), label="bass" if k < 20 else "drums") for k in range(40)]
    for part in deal(entries, 2):
        assert Counter(entry.label for entry in part) == {"bass": 10, "drums": 10}


def test_a_part_does_not_get_whole_tracks():
    """Dealt by hash within each label: a part's vocals come from other tracks than its drums."""
    parts = deal([Entry(stem(f"t{k}", label)) for k in range(40) for label in LABELS], 2)
    tracks = [{e.stem.track for e in parts[0] if e.stem.stem == label} for label in LABELS]
    assert not tracks[0] == tracks[1] == tracks[2]


@given(batch=st.integers(1, 100), parts=st.integers(1, 20))
def test_the_shares_of_a_batch_are_even_and_make_up_the_batch(batch, parts):
    shares = [share_of(batch, part, parts) for part in range(parts)]
    assert sum(shares) == batch
    assert max(shares) - min(shares) <= 1


# Plans


def test_the_fingerprint_changes_with_all_that_the_weights_depend_on():
    plan = plan_of("/runs/x.safetensors")
    assert plan_of("/runs/x.safetensors").fingerprint == plan.fingerprint
    first = plan.stems[0]
    changes = [
        {"stems": (*plan.stems[1:], replace(first, weight=0.5))},
        {"stems": (*plan.stems[1:], replace(first, spans=((0.0, 0.5),)))},
        {"stems": (*plan.stems[1:], replace(first, label="vocals" if first.label != "vocals" else "drums"))},
        {"stems": plan.stems[1:]},
        {"stems": (replace(first, stem=replace(first.stem, etag="changed")), *plan.stems[1:])},
        {"model": "openunmix"},
        {"arguments": {"hidden": 9}},
        {"recipe": replace(plan.recipe, steps=6)},
        {"recipe": replace(plan.recipe, seed=1)},
        {"recipe": replace(plan.recipe, truncate="stem")},
        {"early_step": 2, "early_out": "/runs/early.safetensors"},
        {"validation": (stem("v", "bass"),)},
    ]
    found = {replace(plan, **change).fingerprint for change in changes}
    assert len(found) == len(changes)
    assert plan.fingerprint not in found


def test_a_plan_is_trained_when_its_own_note_says_so(tmp_path):
    plan = plan_of(str(tmp_path / "checkpoints" / "x.safetensors"))
    assert not plan.is_trained()
    storage.write_bytes(plan.out, b"weights")
    assert not plan.is_trained()  # killed between the weights and the note
    storage.write_bytes(sidecar_of(plan.out), json.dumps({"fingerprint": "another"}).encode())
    assert not plan.is_trained()
    storage.write_bytes(sidecar_of(plan.out), json.dumps({"fingerprint": plan.fingerprint}).encode())
    assert plan.is_trained()
    assert not replace(plan, recipe=Recipe(steps=6)).is_trained()


def test_the_digest_is_that_of_the_manifest_of_what_is_trained_on():
    plan = plan_of("/runs/x.safetensors")
    assert plan.digest == manifest.digest([entry.stem for entry in plan.stems[::-1]])
    assert replace(plan, stems=plan.stems[1:]).digest != plan.digest


# Groups


@pytest.mark.parametrize(("cpus", "nodes"), [(1, 1), (2, 1), (3, 1), (8, 1), (64, 8)])
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_a_fixed_group_leaves_room_for_its_reads(cpus, nodes, workers):
    each, reads = group_of(workers=workers).resources(Resources(cpus, 0.0, nodes))
    assert workers * (each["CPU"] + reads * READ_CPUS) <= cpus + 1e-9
    assert "GPU" not in each
    assert each["CPU"] % 1 > 1 - 2 * ROOM or each["CPU"] < 1  # what takes whole CPUs cannot take those of the reads


@pytest.mark.parametrize(("cpus", "workers", "reads"), [(1, 2, 1), (4, 2, 1), (8, 2, 3), (128, 2, 8)])
def test_a_part_is_read_by_as_many_as_there_are_spare_cpus(cpus, workers, reads):
    assert group_of(workers=workers).resources(Resources(cpus, 0.0, 1))[1] == reads


def test_two_trainings_fit_side_by_side_with_the_reads_of_both():
    each, reads = group_of(workers=2).resources(Resources(4, 0.0, 1))
    assert 2 * 2 * each["CPU"] <= 4 - 2 * 2 * reads * READ_CPUS


@given(cpus=st.integers(1, 64), workers=st.integers(1, 8), groups=st.integers(1, 4), gpus=st.integers(0, 8))
def test_groups_side_by_side_fit_beside_one_another_with_their_reads(cpus, workers, groups, gpus):
    processes = max(1, workers // groups)
    group = group_of(workers=workers, processes=processes, abreast=groups)
    each, reads = group.resources(Resources(cpus, gpus, 1))
    assert groups * (processes * each["CPU"] + workers * reads * READ_CPUS) <= cpus + 1e-9
    if gpus:
        units = round(10_000 * each["GPU"])
        assert gpus * (10_000 // units) >= groups * processes


def test_two_groups_of_a_process_take_what_one_of_two_would():
    one, two = group_of(workers=2), group_of(workers=2, processes=1, abreast=2)
    for there in (Resources(2, 0.0, 1), Resources(16, 2.0, 1), Resources(64, 1.0, 2)):
        (alone, reads), (beside, fewer) = one.resources(there), two.resources(there)
        assert alone == beside
        assert fewer <= reads
    assert (two.fewest, scaling(two, {"CPU": 1.0}).num_workers, scaling(one, {"CPU": 1.0}).num_workers) == (1, 1, 2)


def test_what_the_settings_reserve_is_what_a_process_gets():
    group = replace(group_of(workers=2), share={"cpus": 4, "gpus": 0.5, "memory_gib": 2, "spot": 1})
    each, reads = group.resources(Resources(16, 2.0, 1))
    assert each == {"CPU": 4 - ROOM, "GPU": 0.5, "memory": 2 * 2**30, "spot": 1}
    assert reads == 3
    assert not group.has_own_gpus(Resources(16, 2.0, 1))


def test_a_group_is_sized_by_what_may_still_join():
    each, _ = group_of(workers=2).resources(Resources(0.0, 0.0, 1, most_cpus=32, most_gpus=4))
    assert each == {"CPU": 1 - ROOM, "GPU": 1.0}


@pytest.mark.parametrize("least", [1, 2])
@pytest.mark.parametrize("node", [1, 2, 3, 8])
def test_as_many_elastic_workers_as_fit_on_a_node_leave_room_for_a_read(node, least):
    """Ray starts as many as fit, whatever the cluster had when the group was made."""
    each, _ = group_of(workers=9, least_workers=least).resources(Resources(float(node), 0.0, 1))
    fitting = min(9, int(node // each["CPU"]))
    assert fitting >= least
    assert node - fitting * each["CPU"] >= fitting * READ_CPUS


def test_gpus_are_shared_only_when_there_are_fewer_than_workers():
    group = group_of(workers=4)
    assert group.resources(Resources(16, 8.0, 1))[0]["GPU"] == 1.0
    assert group.resources(Resources(16, 2.0, 1))[0]["GPU"] == 0.5
    assert [group.has_own_gpus(Resources(16, gpus, 1)) for gpus in (0.0, 2.0, 4.0)] == [False, False, True]
    elastic = group_of(workers=4, least_workers=2)
    assert elastic.resources(Resources(16, 2.0, 1))[0]["GPU"] == 1.0
    assert elastic.resources(Resources(16, 1.0, 1))[0]["GPU"] == 0.5
    assert elastic.has_own_gpus(Resources(16, 2.0, 1))


SHARED = [
    (3, 4, 0.5),
    (2, 3, 0.5),
    (4, 6, 0.5),
    (5, 8, 0.5),
    (2, 4, 0.5),
    (1, 3, 0.3333),
    (1, 6, 0.1666),
    (2, 13, 0.1428),
]


@pytest.mark.parametrize(("gpus", "workers", "share"), [*SHARED, (4, 4, 1.0), (8, 4, 1.0)])
def test_there_is_room_for_every_workers_share_of_one_gpu(gpus, workers, share):
    """What Ray places: a share lies on one device, which is counted in ten-thousandths."""
    found = group_of(workers=workers).resources(Resources(64, float(gpus), 1))[0]["GPU"]
    assert found == share
    assert sum(10_000 // round(10_000 * found) for _ in range(gpus)) >= workers


@given(gpus=st.integers(1, 64), workers=st.integers(1, 200))
def test_no_larger_share_would_have_room_for_all(gpus, workers):
    units = round(10_000 * group_of(workers=workers).resources(Resources(64, float(gpus), 1))[0]["GPU"])
    assert gpus * (10_000 // units) >= workers
    assert units == 10_000 or gpus * (10_000 // (units + 1)) < workers


@pytest.mark.parametrize(("gpus", "share"), [(0.0, None), (0.5, None), (1.5, 0.3333), (2.9, 0.5), (3.5, 1.0)])
def test_part_of_a_gpu_counts_as_none(gpus, share):
    group, available = group_of(workers=3), Resources(16, gpus, 1)
    assert group.resources(available)[0].get("GPU") == share
    assert group.has_own_gpus(available) == (share == 1.0)
