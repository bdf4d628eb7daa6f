"""MERT against HuBERT's network called directly, in the published layout of files, on a small random network."""

from __future__ import annotations

import json
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from raysep.errors import BadInput
from raysep.probes.embedders.base import frame_count
from raysep.probes.embedders.mert import MertEmbedder
from raysep.probes.embedders.pretrained import transformers

pytestmark = pytest.mark.skipif(find_spec("transformers") is None, reason="transformers is not installed")
RATE = 2000
SIZES = {
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "conv_dim": [8, 8],
    "conv_kernel": [10, 3],
    "conv_stride": [5, 4],
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
}
OLD_NAMES = {
    "parametrizations.weight.original0": "weight_g",  # as torch called them when MERT was published
    "parametrizations.weight.original1": "weight_v",
}


def save(folder, **settings):
    """A MERT as it is published: its own model type, a pickled state under the old names, a preprocessor's settings."""
    package = transformers("mert")
    torch.manual_seed(0)
    model = package.HubertModel(package.HubertConfig(**SIZES)).eval()
    own = {"model_type": "mert_model", "auto_map": {"AutoModel": "modeling_MERT.MERTModel"}, "sample_rate": RATE,
           "feature_extractor_cqt": False, "feature_extractor_cqt_bins": 336, "deepnorm": False, "attention_relax": -1.0}  # fmt: skip
    config = model.config.to_dict() | own | settings
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "preprocessor_config.json").write_text(json.dumps({"do_normalize": True, "sampling_rate": RATE}))
    state = {}
    for key, value in model.state_dict().items():
        for new, old in OLD_NAMES.items():
            key = key.replace(new, old)
        state[key] = value
    torch.save(state, folder / "pytorch_model.bin")
    return model


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mert")
    return folder, save(folder)


def sound(samples, batch=1, seed=0):
    return 0.1 * torch.randn(batch, samples, generator=torch.Generator().manual_seed(seed)) + 0.02


@pytest.mark.parametrize("layer", [0, 2, 3])
def test_each_frame_is_the_mean_of_the_layer_over_its_window(published, layer):
    from transformers import Wav2Vec2FeatureExtractor

    folder, model = published
    extractor = Wav2Vec2FeatureExtractor(sampling_rate=RATE, do_normalize=True)
    audio = sound(2 * RATE)
    frames = MertEmbedder(str(folder), layer).embed(audio)[0]
    assert frames.shape == (3, 16)
    for k, frame in enumerate(frames):
        clip = audio[0, k * RATE // 2 : k * RATE // 2 + RATE].numpy()
        values = extractor(clip, sampling_rate=RATE, return_tensors="np")["input_values"]
        with torch.no_grad():
            hidden = model(torch.from_numpy(np.asarray(values)), output_hidden_states=True).hidden_states[layer]
        torch.testing.assert_close(frame, hidden[0].mean(dim=0), rtol=1e-3, atol=1e-4)
    assert (frames[0] - frames[1]).abs().max() > 1e-3


@settings(max_examples=10, deadline=None)
@given(samples=st.integers(1, 4 * RATE))
def test_the_number_of_frames_is_that_of_the_protocol(published, samples):
    embedder = MertEmbedder(str(published[0]), 3)
    frames = embedder.embed(torch.zeros(2, samples))
    assert frames.shape == (2, frame_count(samples, RATE, RATE // 2), embedder.dimension)
    assert torch.isfinite(frames).all()


def test_two_stems_give_what_each_gives_alone(published):
    embedder, audio = MertEmbedder(str(published[0]), 3), sound(2 * RATE, batch=2)
    both = embedder.embed(audio)
    torch.testing.assert_close(both, torch.cat([embedder.embed(one[None]) for one in audio]), rtol=1e-4, atol=1e-6)
    assert embedder.least_spread > 0
    assert len(embedder.weights_digest) == 64


@pytest.mark.parametrize("change", [{"feature_extractor_cqt": True}, {"deepnorm": True}])
def test_another_network_is_refused_by_name(tmp_path, change):
    save(tmp_path, **change)
    with pytest.raises(BadInput, match=f"sets {next(iter(change))} to True"):
        MertEmbedder(str(tmp_path), 3)


def test_weights_that_are_absent_are_not_drawn_at_random(tmp_path):
    save(tmp_path, num_hidden_layers=4)
    with pytest.raises(BadInput, match="weights that embedder 'mert' needs are absent"):
        MertEmbedder(str(tmp_path), 3)


def test_a_layer_that_is_not_there(published):
    with pytest.raises(BadInput, match="layer 12: this MERT has layers 0 to 3"):
        MertEmbedder(str(published[0]))


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(BadInput, match=r"finds no config\.json"):
        MertEmbedder(str(tmp_path))
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(BadInput, match="not JSON"):
        MertEmbedder(str(tmp_path))
    with pytest.raises(BadInput, match=r"finds no config\.json"):
        MertEmbedder(str(tmp_path / "config.json"))
