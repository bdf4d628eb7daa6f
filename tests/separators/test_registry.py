from __future__ import annotations

import json

import pytest

from raysep.errors import BadInput
from raysep.separators import registry


def test_what_describe_says_build_builds(network, name):
    said, arguments = registry.describe(network)
    again = registry.build(said, **json.loads(json.dumps(arguments)))
    assert said == name
    assert again.config == network.config
    assert {k: v.shape for k, v in again.state_dict().items()} == {k: v.shape for k, v in network.state_dict().items()}


def test_unknown_names_are_answered_with_the_known_ones():
    with pytest.raises(BadInput, match="openunmix-joint"):
        registry.build("demucs")
    with pytest.raises(BadInput, match=r"no argument width; it takes stems, .*hidden"):
        registry.build("openunmix", width=3)
