"""The probes of the page: one file outside the package, by its import path through the pass to decision and proof."""

from __future__ import annotations

import sys

import numpy as np
import pyarrow as pa
import pytest
import torch

from raysep import config, rundir
from raysep.config import DecisionSettings
from raysep.corpus.inputs import Inputs
from raysep.corpus.layouts import stems_of
from raysep.corpus.mixing import ReferenceBank
from raysep.errors import BadInput, RaysepError
from raysep.probes.catalogue import PROBES, probes_of
from raysep.probes.scoring import ScoringKit, ScoringOptions, score_track, try_out
from raysep.probes.stored import columns_of
from raysep.stages import arms, decide, score
from raysep.stages.plant import Planting

RATE, LABELS = 8000, ("vocals", "drums", "bass", "other")
WRONG = """
from raysep.probes import Probe

NOT_ONE = "loss"
LOSS = Probe("loss", "clean", ("final",), True, "this file", lambda read: read.of("final"))
MISSPELT = Probe("misspelt", "clean", ("final",), True, "this file", lambda read: read.of("finall"))
BROKEN = Probe("broken", "stem", (), True, "this file", lambda stem: stem.audio.nothing)
FLAT = Probe("flat", "clean", ("final",), True, "this file", lambda read: read.of("final")[0])
"""


@pytest.fixture
def module(own_module):
    """As ``own_module``, and what it held is forgotten."""
    yield own_module
    probes_of.cache_clear()


@pytest.fixture
def own(module, own_files):
    name = module("example_probes", own_files["my_probes.py"])
    return (f"{name}:MEMORISED", f"{name}:WIDTH")


def make_kit(probes: tuple[str, ...], network_of) -> ScoringKit:
    rng = np.random.default_rng(0)
    bank = ReferenceBank(LABELS, {k: (0.1 * rng.normal(size=(3, 1, RATE))).astype(np.float32) for k in LABELS})
    networks = {name: network_of(seed) for seed, name in enumerate(("final", "early"))}
    return ScoringKit(networks, bank, ScoringOptions(RATE, RATE, batch=4, probes=probes))


def song() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    return {label: (0.1 * rng.normal(size=(1, 2 * RATE))).astype(np.float32) for label in LABELS}


def test_it_is_scored_in_the_same_pass_and_changes_no_other_column(own, small_network):
    plain, kit = make_kit((), small_network), make_kit(own, small_network)
    assert kit.probes == (*plain.probes, "memorised", "width")
    assert kit.forward_passes == plain.forward_passes + 1 / 4  # ``early`` in own context
    rows, before = score_track(kit, song(), "judged"), score_track(plain, song(), "judged")
    with torch.inference_mode():
        stems = torch.from_numpy(np.stack([song()[label][:, :RATE] for label in LABELS]))
        losses = [
            (n(stems.sum(dim=0)[None])[0] - n.magnitude(stems)).square().mean(dim=(1, 2, 3)).double().numpy()
            for n in kit.networks.values()
        ]
    for row, other in zip(rows, before, strict=True):
        assert all(row[name] == value or (value != value and row[name] != row[name]) for name, value in other.items())
        assert row["width"] == 0.0  # mono
    first = [row["memorised"] for row in rows if row["segment"] == 0]
    assert first == pytest.approx(np.log(losses[0] / losses[1]), rel=1e-3)


def test_a_worker_finds_it_by_its_path_and_one_that_cannot_says_so(own, module, small_network):
    files = make_kit(own, small_network).to_files()
    again = ScoringKit.from_files(files)
    assert again.options.probes == own
    assert again.probes[-2:] == ("memorised", "width")
    probes_of.cache_clear()
    elsewhere = {
        n: d.replace(b"example_probes", b"not_here_probes") if n == "options.json" else d for n, d in files.items()
    }
    with pytest.raises(BadInput, match=r"'not_here_probes:MEMORISED' cannot be imported .*installed on every node"):
        ScoringKit.from_files(elsewhere)


def test_it_is_aggregated_fused_and_may_decide_and_be_an_arm(
    own, small_network, make_context, here, tmp_path, write_tracks
):
    """Through the stages: the pass, the stems' table, the decision, and what removes as many in the proof."""
    context = make_context(scoring={"probes": own, "shards": 2})
    files = make_kit(own, small_network).to_files()
    for name, data in files.items():
        context.run.write_bytes(data, "kit", name)
    context.run.write_json({"files": sorted(files), "passes": 1.0}, "kit", "made.json")
    corpus = stems_of(write_tracks(tmp_path / "corpus", [f"t{k}" for k in range(6)])).stems
    for name, stems in (("manifest", corpus), ("reference", []), ("planted", [])):
        score.manifest.write(context.run.path(f"{name}.parquet"), stems)
    inputs, planting = Inputs(corpus, [], []), Planting([], [], [], {})
    score.score(context, inputs, planting)
    scores = rundir.read_scores(context.run)
    assert list(columns_of(scores))[-2:] == ["memorised", "width"]
    assert scores.schema.field("memorised").type == pa.float32()
    stems = decide.per_stem(context.run, corpus, planting)
    assert {"memorised", "memorised_worst", "width"} <= set(stems.column_names)
    assert "width_worst" not in stems.column_names  # no direction, no worst segment
    # Without calibration the ranking is by the mean of the oriented probes: the module is not needed any more.
    probes_of.cache_clear()
    sys.modules.pop("example_probes")
    settings = DecisionSettings(rule="ratio", ratio=0.33, probe="memorised", floor=0.0)
    table = decide.by_rule(context.run.read_table("stems.parquet"), settings, 0)
    value = dict(zip(stems["stem_id"].to_pylist(), stems["memorised"].to_pylist(), strict=True))
    for label in LABELS:
        rows = [row for row in table.to_pylist() if row["stem"] == label]
        removed = {row["stem_id"] for row in rows if not row["keep"]}
        assert removed == set(sorted((row["stem_id"] for row in rows), key=value.get)[:2])
    context.run.write_table(table, "decision.parquet")
    arm = arms.make_arm(context, inputs, "memorised")
    assert {entry.stem.stem_id for entry in arm.entries} == {row["stem_id"] for row in table.to_pylist() if row["keep"]}


def test_it_may_be_named_in_the_settings(own):
    def proving(*names):
        return config.preset("smallest", {"proof": {"arms": names}, "scoring": {"probes": own}})

    decide.check_probe(DecisionSettings(probe="memorised_worst"), own)
    arms.check_arms(proving("cleaned", "memorised"), has_test=False)
    with pytest.raises(BadInput, match="must be fused or one of"):
        decide.check_probe(DecisionSettings(probe="memorised"))
    with pytest.raises(BadInput, match="'width' is neither an arm nor a probe"):
        arms.check_arms(proving("width"), has_test=False)  # no direction: nothing to remove by


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("wrong_probes", "package.module:NAME"),
        ("nowhere.to:BE", "cannot be imported .ModuleNotFoundError"),
        ("wrong_probes:MISSING", "cannot be imported .AttributeError"),
        ("wrong_probes:NOT_ONE", "is no raysep.probes.Probe but a str"),
        ("wrong_probes:LOSS", "there is a probe 'loss' already"),
    ],
)
def test_a_path_that_leads_to_no_new_probe_is_refused_before_any_work(module, path, message):
    module("wrong_probes", WRONG)
    with pytest.raises(BadInput, match=message):
        decide.check_probe(DecisionSettings(), (path,))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("MISSPELT", "probe 'misspelt': its formula asks for the network 'finall', which it does not declare"),
        ("BROKEN", "probe 'broken': its formula failed .AttributeError"),
        ("FLAT", r"probe 'flat': its formula gives shape \(2,\), not \(4, 2\)"),
    ],
)
def test_a_formula_that_fails_does_so_before_the_pass(module, small_network, name, message):
    kit = make_kit((f"{module('wrong_probes', WRONG)}:{name}",), small_network)
    with pytest.raises(RaysepError, match=message):
        try_out(kit, song(), "clean")


def test_ours_are_the_same_whatever_is_added(own):
    assert dict(list(probes_of(own).items())[: len(PROBES)]) == PROBES
    assert list(probes_of(own))[len(PROBES) :] == ["memorised", "width"]
