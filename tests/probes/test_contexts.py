"""Which networks are run, how often, and that a reading is the plain one: a segment at a time."""

from collections import Counter

import numpy as np
import pytest
import torch

from raysep.corpus.mixing import ReferenceBank, clean_context
from raysep.probes import Probe, contexts
from raysep.probes.catalogue import PROBES
from raysep.probes.consistency import agreement
from raysep.probes.readings import Output, loss
from raysep.probes.scoring import cut_track
from raysep.probes.scoring_kit import ScoringKit, ScoringOptions

RATE, LABELS = 8000, ("vocals", "drums", "bass", "other")
LENGTH = RATE // 4


def read_agreement(output: Output):
    return agreement(output.own, output.target)


def mine(context: str, *networks: str) -> Probe:
    return Probe(f"mine-{context}", context, networks, True, "here", lambda read: read.of(networks[0]), read_agreement)


@pytest.fixture
def kit(small_network):
    rng = np.random.default_rng(0)
    bank = ReferenceBank(LABELS, {k: (0.1 * rng.normal(size=(3, 1, LENGTH))).astype(np.float32) for k in LABELS})
    networks = {name: small_network(seed) for seed, name in enumerate(("final", "early", "unlearned", "plus"))}
    return ScoringKit(networks, bank, ScoringOptions(LENGTH, RATE, batch=4))


@pytest.fixture
def track(kit, segments):
    _, targets = segments(3, seed=5)
    audio = {label: np.concatenate(list(targets[:, k].numpy()), axis=-1) for k, label in enumerate(LABELS)}
    return cut_track(kit, audio, "judged")


@pytest.fixture
def runs(kit, monkeypatch):
    """How many mixtures each network was given."""
    counted = Counter()
    for name, network in kit.networks.items():

        def counting(mixture, name=name, real=network.estimate):
            counted[name] += len(mixture)
            return real(mixture)

        monkeypatch.setattr(network, "estimate", counting)
    return counted


def test_each_network_is_run_once_in_each_context_in_which_it_is_read(kit, track, runs):
    """Twelve segments of stems; in own context three segments of the track serve all stems."""
    with torch.inference_mode():
        contexts.take(kit, track, kit.entries)
    assert runs == {"final": 12 + 12 + 3, "early": 12 + 12, "unlearned": 3}  # nobody reads ``plus`` without ``minus``
    assert sum(runs.values()) / 12 == kit.forward_passes


def test_a_probe_of_ones_own_costs_the_passes_that_it_declares_and_no_other(kit, track, runs):
    with torch.inference_mode():
        contexts.take(kit, track, [mine("alone", "plus"), PROBES["loss"], PROBES["agreement"]])
    assert runs == {"plus": 12, "final": 12}


def test_networks_come_in_one_order_and_readings_once():
    entries = [mine("own", "early", "final"), PROBES["unlearning"], PROBES["own-loss"]]
    found = contexts.wanted_by(entries)["own"]
    assert list(found.items()) == [
        ("final", (read_agreement, loss)),
        ("early", (read_agreement,)),
        ("unlearned", (loss,)),
    ]


@pytest.mark.parametrize("context", ["clean", "alone", "own"])
def test_a_reading_is_that_of_a_segment_by_itself(kit, track, context):
    probe = mine(context, "final", "early")
    with torch.inference_mode():
        taken = contexts.take(kit, track, [probe, PROBES["own-loss"], PROBES["unlearning"]])
        for row, label in enumerate(LABELS):
            for column in range(3):
                own = track.crops[row, column]
                partners = kit.bank.partners(f"judged/{label}", column, label, 0)
                mixture = {
                    "clean": lambda own=own, label=label, partners=partners: clean_context(own, label, partners),
                    "alone": lambda own=own: own,
                    "own": lambda column=column: track.crops[:, column].sum(axis=0),
                }[context]()
                for name in probe.networks:
                    network = kit.networks[name]
                    estimate = network(torch.from_numpy(mixture)[None])[:, row]
                    expected = agreement(estimate, network.magnitude(torch.from_numpy(own)[None])).item()
                    assert taken[context, name, read_agreement][row, column] == pytest.approx(expected, abs=1e-3)


def test_what_is_not_read_has_no_reading(kit, segments):
    audio = {label: np.zeros((1, 3 * LENGTH), np.float32) for label in LABELS}
    with torch.inference_mode():
        taken = contexts.take(kit, cut_track(kit, audio, "silent"), kit.entries)
    assert taken
    assert all(np.isnan(values).all() for values in taken.values())


def test_a_stem_alone_has_no_mixture_of_its_own_to_be_read_in(kit, track, runs):
    audio = {"bass": track.crops[track.labels.index("bass")].swapaxes(0, 1).reshape(1, -1)}
    alone = cut_track(kit, audio, "judged")
    with torch.inference_mode():
        taken = contexts.take(kit, alone, [PROBES["own-loss"], PROBES["agreement"]])
    assert {context: bool(np.isfinite(values).all()) for (context, *_), values in taken.items()} == {
        "own": False,
        "clean": True,
    }
