from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from raysep.errors import BadInput
from raysep.separators import registry
from raysep.separators.checkpoint import Checkpoint, from_bytes, network_of, sidecar, to_bytes, versions


@pytest.fixture
def checkpoint(network):
    model, arguments = registry.describe(network)
    moment = {name: torch.rand_like(p) for name, p in network.named_parameters()}
    return Checkpoint(model, arguments, dict(network.state_dict()), moment, 7, {"seed": 3, "note": "θ"})


def test_a_checkpoint_survives_its_bytes(checkpoint):
    data = to_bytes(checkpoint)
    again = from_bytes(data, "there")
    assert (again.model, again.step, again.metadata) == (checkpoint.model, 7, {"seed": 3, "note": "θ"})
    assert again.arguments == checkpoint.arguments
    for ours, theirs in ((checkpoint.weights, again.weights), (checkpoint.second_moment, again.second_moment)):
        assert set(ours) == set(theirs)
        assert all(torch.equal(ours[k], theirs[k]) and ours[k].dtype == theirs[k].dtype for k in ours)
    assert to_bytes(again) == data


def test_the_network_comes_back_in_eval_mode_and_computes_the_same(network, checkpoint):
    generator = torch.get_rng_state()
    again = network_of(from_bytes(to_bytes(checkpoint), "there"))
    mixture = torch.randn(1, 2, 500, generator=torch.Generator().manual_seed(0))
    assert not again.training
    assert torch.equal(again(mixture), network.eval()(mixture))
    assert torch.equal(torch.get_rng_state(), generator)


def test_no_second_moment_stays_none(checkpoint):
    checkpoint.second_moment = None
    assert from_bytes(to_bytes(checkpoint), "there").second_moment is None


def test_the_sidecar_is_json(checkpoint, network):
    record = json.loads(json.dumps(sidecar(checkpoint)))
    assert record["model"] == checkpoint.model
    assert record["step"] == 7
    assert record["parameters"] == sum(v.numel() for v in network.state_dict().values())


def test_foreign_files_are_refused_by_name(checkpoint):
    from safetensors.torch import save

    data = to_bytes(checkpoint)
    foreign = [b"", b"RIFF....WAVE", data[:-1], data[:50], save({"x": torch.zeros(2)}), b"\x80\x04K\x01."]
    foreign.append(save({"x": torch.zeros(2)}, metadata={"raysep": "[]"}))
    for rubbish in foreign:
        with pytest.raises(BadInput, match="s3://bucket/final"):
            from_bytes(rubbish, "s3://bucket/final")
    with pytest.raises(BadInput, match="format 'other'"):
        from_bytes(save({"x": torch.zeros(2)}, metadata={"raysep": json.dumps({"format": "other"})}), "there")


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(data):
    with pytest.raises(BadInput, match="there"):
        from_bytes(data, "there")


def test_weights_of_another_shape_are_refused(checkpoint):
    checkpoint.arguments = checkpoint.arguments | {"hidden": 10}
    with pytest.raises(BadInput, match="do not fit"):
        network_of(checkpoint)


def test_the_sidecar_tells_what_the_network_is_and_where_it_comes_from(checkpoint):
    checkpoint.metadata = {"versions": versions(), "seed": 3, "manifest": "0f", "metrics": {"sdr": 5.25}}
    record = json.loads(json.dumps(sidecar(from_bytes(to_bytes(checkpoint), "there"))))
    assert record["arguments"]["stems"] == ["vocals", "drums", "bass", "other"]
    assert record["arguments"]["sample_rate"] == 8000
    assert set(record["arguments"]) == set(registry.fields_of(checkpoint.model))
    assert record["metadata"] == checkpoint.metadata


def test_versions_are_of_what_runs():
    import platform

    import raysep

    assert versions() == {
        "raysep": raysep.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    assert type(versions()["torch"]) is str
