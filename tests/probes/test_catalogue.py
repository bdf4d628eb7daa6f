import subprocess
import sys

from raysep.probes import signal
from raysep.probes.catalogue import PROBES, available, forward_passes
from raysep.probes.distances import SOURCES as DISTANCES
from raysep.probes.probe import NETWORKS, PER_TRACK

EVERY = (*NETWORKS, PER_TRACK)


def test_every_probe_says_where_it_comes_from_and_reads_known_networks():
    for probe in PROBES.values():
        assert probe.source
        assert set(probe.networks) <= set(EVERY)
        assert probe.context in ("clean", "own", "alone", "stem")
        assert bool(probe.networks) == (probe.context != "stem")


def test_every_signal_and_distance_is_listed():
    assert {f"signal-{name}" for name in signal.NAMES} <= PROBES.keys()
    assert set(DISTANCES) <= PROBES.keys()


def test_absent_networks_take_their_probes_with_them():
    assert not {"influence", "excess", "unlearning"} & set(available({"final"}))
    assert {"loss", "own-loss", "self-consistency"} <= set(available({"final"}))
    assert "excess" in available({"final", "reference"})
    assert not {"fad", "instrument"} & set(available({"final"}, distances=False))
    assert set(available(EVERY)) == PROBES.keys()


def test_each_network_runs_once_per_context():
    assert forward_passes({"final"}, 4) == 1 + 1 + 0.25
    assert forward_passes(NETWORKS, 4) == 6 + 3 + 2 * 0.25
    assert forward_passes(EVERY, 4, reference_tracks=10) == 6 + 3 + 12 * 0.25
    assert forward_passes((), 4) == 0


def test_to_know_the_probes_no_torch_is_loaded():
    """Whoever decides, checks settings or prints a table needs the entries, and none of their formulae."""
    script = "import sys, raysep.probes.catalogue, raysep.probes.stored; print({'torch', 'scipy', 'ray'} & sys.modules.keys())"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "set()\n"
