from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysep import config as settings
from raysep.errors import BadInput
from raysep.separators import registry
from raysep.training.network import network_arguments


def arguments_of(rate: int = 8000, channels: int = 1, **network) -> dict:
    return network_arguments(settings.preset("smallest", {"network": network}), rate, channels)


@pytest.mark.parametrize(("rate", "n_fft"), [(8000, 512), (16000, 1024), (22050, 2048), (44100, 4096), (48000, 4096)])
def test_the_window_in_seconds_becomes_the_next_power_of_two(rate, n_fft):
    arguments = arguments_of(rate)
    assert (arguments["n_fft"], arguments["hop"], arguments["sample_rate"]) == (n_fft, n_fft // 2, rate)


@given(window=st.floats(0.005, 0.5), rate=st.integers(4000, 96000))
def test_no_smaller_power_of_two_would_do(window, rate):
    n_fft = arguments_of(rate, window_seconds=window)["n_fft"]
    wanted = round(window * rate)
    assert n_fft & (n_fft - 1) == 0
    assert n_fft // 2 < wanted <= n_fft


@pytest.mark.parametrize("model", registry.MODELS)
def test_only_what_a_network_has_is_derived_and_its_own_arguments_win(model):
    known = registry.fields_of(model)
    arguments = arguments_of(44100, 2, model=model)
    assert set(arguments) <= set(known)
    made = registry.resolve(model)[0](**arguments)
    assert (made.stems, made.sample_rate, made.channels, made.n_fft) == (settings.LABELS, 44100, 2, 4096)
    is_openunmix = model.startswith("openunmix")
    assert is_openunmix == ("hidden" in arguments) == ("max_bin_hz" in arguments)
    assert arguments_of(44100, 2, model=model, arguments={"hop": 1024})["hop"] == 1024


def test_hidden_means_another_thing_in_another_network():
    assert registry.resolve("convtasnet")[0](**arguments_of(model="convtasnet")).hidden == 512
    assert arguments_of(model="convtasnet", arguments={"hidden": 64})["hidden"] == 64


def test_lists_from_yaml_become_the_tuples_of_a_configuration():
    assert arguments_of(44100, 2, model="scnet", arguments={"widths": [8, 16]})["widths"] == (8, 16)


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ({"model": "resnet"}, "'resnet': not known; choose one of .*scnet.*package.module:Class"),
        ({"model": "no.such:Thing"}, "'no.such:Thing': cannot be imported"),
        ({"model": "pathlib:Path"}, "not a subclass of raysep.separators.base.Separator"),
        ({"arguments": {"widths": 3}}, r"network\.arguments: openunmix-joint takes no widths, but .*hidden"),
        ({"arguments": {"hop": 0}}, "hop 0: must be 1 or more"),
        ({"arguments": {"stems": ["drums"]}}, r"stems \('drums',\) is not what this run has, .*follows labels"),
        ({"arguments": {"sample_rate": 16000}}, "sample_rate 16000 is not what this run has, 8000"),
        ({"arguments": {"hop": "wide"}}, r"network\.arguments: openunmix-joint refuses .*wide"),
    ],
)
def test_a_network_that_cannot_be_built_is_refused(network, words):
    with pytest.raises(BadInput, match=words):
        arguments_of(**network)
