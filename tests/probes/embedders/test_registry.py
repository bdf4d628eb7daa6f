"""Embedders by name and by import path."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from raysep.errors import BadInput
from raysep.probes.embedders import registry
from raysep.probes.embedders.base import frame_count

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "embedders.md").read_text()
FETCHED = ("clap-music", "clap-audio", "mert", "encodec")


def test_the_example_of_the_documentation_is_an_embedder(own_module, own_files):
    embedder = registry.build(f"{own_module('my_embedder', own_files['my_embedder.py'])}:Bands", 4000)
    assert (embedder.sample_rate, embedder.dimension) == (4000, 32)
    assert embedder.embed(torch.zeros(2, 9000)).shape == (2, frame_count(9000, 4000, 2000), 32)
    assert all(hasattr(embedder, part) for part in registry.PROTOCOL)


def test_every_embedder_is_in_the_documentation():
    rows = re.findall(r"^\| `([a-z-]+)` \|", PAGE.partition("\n## ")[0], re.MULTILINE)
    assert [row for row in rows if row in registry.EMBEDDERS] == rows[: len(registry.EMBEDDERS)]
    assert set(registry.EMBEDDERS) <= set(rows)


def test_an_own_class_gets_rate_and_weights(own_module):
    text = "class Mine:\n    def __init__(self, sample_rate, weights):\n        self.given = sample_rate, weights\n"
    name = own_module("own_embedder_bare", text)
    with pytest.raises(BadInput, match=r"own_embedder_bare:Mine': lacks name, sample_rate.*embed, to"):
        registry.build(f"{name}:Mine", 8000, "net.pt")
    whole = "\n".join(f"    {part} = 1" for part in registry.PROTOCOL)
    name = own_module("own_embedder_whole", text + whole + "\n")
    assert registry.build(f"{name}:Mine", 8000, "net.pt").given == (8000, "net.pt")


@pytest.mark.parametrize("path", ["no_such_module_at_all:Mine", "json:NoSuchClass", ":Mine"])
def test_a_path_that_leads_nowhere_is_named(path):
    with pytest.raises(BadInput, match=f"embedder '{path}': cannot be imported"):
        registry.build(path, 8000)


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(BadInput, match=r"embedder 'clap': .*logmel.*separator.*clap-music.*package\.module:Class"):
        registry.build("clap", 8000)


@pytest.mark.parametrize("name", [*FETCHED, "vggish", "separator"])
def test_weights_that_are_not_there_are_named(name):
    with pytest.raises(BadInput, match=r"no/such/place"):
        registry.build(name, 8000, "no/such/place")


@pytest.mark.parametrize("name", FETCHED)
def test_without_weights_the_published_ones_are_asked_of_the_hub(name, monkeypatch):
    import huggingface_hub

    def refuse(repository, **_):
        raise ConnectionError("no route")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(BadInput, match=r"^hub:[\w./-]+: .*hf download") as error:
        registry.build(name, 8000)
    assert f"`{str(error.value).split(': ')[0]}`" in PAGE  # the table names the same model
