import pytest

from raysep.decision.aggregate import NOT_PROBES
from raysep.decision.rules import FUSED
from raysep.errors import BadInput
from raysep.probes import Probe
from raysep.probes.probe import NAME, TAKEN
from raysep.stages.arms import ARMS

GIVEN = {
    "name": "mine",
    "context": "clean",
    "networks": ("final",),
    "oriented": True,
    "source": "here",
    "formula": lambda read: read.of("final"),
}


def probe(**changes) -> Probe:
    return Probe(**GIVEN | changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "Mine"}, "small letters"),
        ({"name": "mine_worst"}, "small letters"),
        ({"name": "fused"}, "another meaning"),
        ({"context": "mixture"}, "one of clean, own, alone, stem"),
        ({"networks": ("final", "finall")}, "networks finall: the pass knows final, early"),
        ({"networks": ()}, "must name its networks"),
        ({"context": "stem"}, "none in context stem"),
        ({"distances": True}, "in context stem alone"),
        ({"formula": "loss"}, "must be functions"),
        ({"source": ""}, "where it comes from"),
    ],
)
def test_an_entry_that_no_pass_could_take_is_refused_with_its_name(changes, message):
    with pytest.raises(BadInput, match=f"probe '{changes.get('name', 'mine')}': .*{message}"):
        probe(**changes)


@pytest.mark.parametrize("name", sorted({*NOT_PROBES, FUSED, *ARMS}))
def test_no_probe_can_have_the_name_of_a_column_of_the_fusion_or_of_an_arm(name):
    assert name in TAKEN or not NAME.fullmatch(name)


def test_what_it_costs_by_itself_follows_from_its_networks():
    assert probe().passes == 1
    assert probe(networks=("plus", "minus")).passes == 2
    assert probe(context="own", networks=("final", "unlearned")).passes == 0.5
    assert probe(context="stem", networks=()).passes == 0


def test_it_is_available_when_all_that_it_declares_is_there():
    pair = probe(networks=("final", "early"))
    assert pair.available({"final", "early", "plus"}, distances=False)
    assert not pair.available({"final"}, distances=True)
    far = probe(context="stem", networks=(), distances=True)
    assert far.available((), distances=True)
    assert not far.available((), distances=False)


def test_a_table_describes_it_without_its_formula():
    assert probe(networks=("plus", "minus")).about() == {
        "name": "mine",
        "context": "clean",
        "checkpoint": "plus+minus",
        "oriented": True,
        "passes": 2,
        "source": "here",
    }
