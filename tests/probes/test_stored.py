import pyarrow as pa

from raysep.probes import Probe, stored
from raysep.probes.catalogue import PROBES
from raysep.probes.likeness import LIKENESSES

MINE = Probe("mine", "stem", (), False, "here", lambda stem: 0.0)


def table(*probes, metadata=None) -> pa.Table:
    return pa.table({"stem_id": ["A/bass"], **{name: [0.0] for name in probes}}).replace_schema_metadata(metadata)


def test_a_table_says_which_way_its_columns_point_though_nobody_here_knows_the_probe():
    metadata = stored.description("abc", [PROBES["loss"], PROBES["curvature"], MINE])
    found = table("curvature", "mine", "loss", metadata=metadata)
    assert stored.columns_of(found) == {
        "loss": ("clean", True),
        "curvature": ("clean", False),
        "mine": ("stem", False),
    }
    assert list(stored.columns_of(found)) == ["loss", "curvature", "mine"]  # in the order of the pass
    assert stored.oriented_in(found) == ["loss"]


def test_a_described_probe_without_a_column_is_none_of_the_tables():
    metadata = stored.description("abc", [PROBES["loss"], MINE])
    assert list(stored.columns_of(table("mine", metadata=metadata))) == ["mine"]


def test_a_table_that_says_nothing_is_read_by_the_catalogue():
    found = stored.columns_of(table("fad-z", "loss", "mine"))
    assert found == {"loss": ("clean", True), "fad-z": ("stem", True)}


def test_a_table_says_which_of_its_lists_go_over_which_labels():
    metadata = stored.description("abc", [MINE], list(LIKENESSES.values())[:1], ("vocals", "drums"))
    found = table("mine", metadata=metadata)
    assert stored.likenesses_in(found) == (("vocals", "drums"), {})  # described, and not there
    found = found.append_column("like-final", pa.array([[0.0, 1.0]]))
    labels, sources = stored.likenesses_in(found.replace_schema_metadata(metadata))
    assert (labels, sources) == (("vocals", "drums"), {"like-final": ("the trained network", "dB", False)})
    assert stored.likenesses_in(table("mine")) == ((), {})
    assert list(stored.columns_of(found.replace_schema_metadata(metadata))) == ["mine"]
