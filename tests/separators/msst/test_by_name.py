"""SCNet and Hybrid Demucs come in from MSST and go out by their tensors' names.

With the same weights the outputs are those of MSST's own SCNet (package msst 0.1.0) to 4e-7 and of demucs 4.1.0 to the bit;
compared once, by hand.
"""

from __future__ import annotations

import hashlib
import io

import pytest
import torch
import yaml

from raysep.errors import BadInput
from raysep.separators import registry
from raysep.separators.checkpoint import Checkpoint, network_of
from raysep.separators.msst import FORMS, arguments_of, from_msst, to_msst

# Of published networks of four stems: tensors, parameters, and the digest of "NAME SHAPE" lines in order, taken from the
# packages msst 0.1.0 (its SCNet, of its two configurations) and demucs 4.1.0 (HDemucs).
PUBLISHED = {
    "scnet": (372, 10_578_768, "57b4277683e1cc94"),
    "scnet-large": (372, 42_181_232, "5348a0d5fc0b73fd"),
    "hdemucs": (395, 83_637_832, "2f42ea410e0b1968"),
}
SCNET_LARGE = """
audio: {chunk_size: 485100, num_channels: 2, sample_rate: 44100, min_mean_abs: 0.000}
model:
  sources: [drums, bass, other, vocals]
  audio_channels: 2
  dims: [4, 64, 128, 256]
  nfft: 4096
  hop_size: 1024
  win_size: 4096
  normalized: True
  band_SR: [0.225, 0.372, 0.403]
  band_stride: [1, 4, 16]
  band_kernel: [3, 4, 16]
  conv_depths: [3, 2, 1]
  compress: 4
  conv_kernel: 3
  num_dplayer: 6
  expand: 1
training:
  instruments: [drums, bass, other, vocals]
  target_instrument: null
"""
HDEMUCS = """
audio: {chunk_size: 485100, min_mean_abs: 0.000, hop_length: 1024}
training:
  segment: 11
  samplerate: 44100
  channels: 2
  instruments: ['drums', 'bass', 'other', 'vocals']
  target_instrument: null
model: hdemucs
hdemucs:
  channels: 48
  channels_time: null
  growth: 2
  nfft: 4096
  wiener_iters: 0
  end_iters: 0
  wiener_residual: False
  cac: True
  depth: 6
  multi_freqs: []
  multi_freqs_depth: 3
  freq_emb: 0.2
  emb_scale: 10
  dconv_depth: 2
  dconv_comp: 4
  dconv_init: 0.001
"""
YAMLS = {"scnet-large": SCNET_LARGE, "hdemucs": HDEMUCS, "scnet": SCNET_LARGE}
YAMLS["scnet"] = SCNET_LARGE.replace("64, 128, 256", "32, 64, 128").replace(
    "0.225, 0.372, 0.403", "0.175, 0.392, 0.433"
)
SMALL = {
    "scnet": {
        **{"n_fft": 512, "hop": 128, "widths": (8, 12), "compression": 2, "dual_path_layers": 2, "expansion": 2},
        **{"standardised": False, "shares": (0.25, 0.25, 0.5)},
    },
    "hdemucs": {"width": 4},
}


def pickled(state) -> bytes:
    stream = io.BytesIO()
    torch.save(state, stream)
    return stream.getvalue()


def small(model: str):
    torch.manual_seed(0)
    return registry.build(model, stems=("vocals", "drums"), sample_rate=8000, **SMALL[model])


def folder(model: str) -> dict[str, bytes]:
    network = small(model)
    return to_msst(Checkpoint(*registry.describe(network), network.state_dict()))


@pytest.mark.parametrize("name", PUBLISHED)
def test_names_shapes_and_numbers_are_those_of_the_published_networks(name):
    model, arguments = arguments_of(YAMLS[name].encode(), "a.yaml")
    with torch.device("meta"):
        network = registry.build(model, **arguments)
    there = {FORMS[model].theirs(own, network.config): tensor for own, tensor in network.state_dict().items()}
    there.pop("", None)
    lines = "\n".join(f"{own} {tuple(tensor.shape)}" for own, tensor in sorted(there.items()))
    count = sum(tensor.numel() for tensor in there.values())
    assert (len(there), count, hashlib.sha256(lines.encode()).hexdigest()[:16]) == PUBLISHED[name]


@pytest.mark.parametrize("model", SMALL)
def test_there_and_back_it_separates_alike(model):
    network, files = small(model), folder(model)
    assert sorted(files) == sorted(f"{FORMS[model].type}.{ending}" for ending in ("yaml", "ckpt"))
    again = network_of(from_msst(files))
    assert again.config == network.config
    mixture = torch.randn(1, 2, 9001, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.equal(again.eval().waveforms(mixture), network.eval().waveforms(mixture))


def test_what_the_yaml_says_is_what_is_built():
    model, arguments = arguments_of(SCNET_LARGE.encode(), "a.yaml")
    assert (model, arguments["widths"], arguments["shares"]) == ("scnet", [64, 128, 256], [0.225, 0.372, 0.403])
    assert (arguments["standardised"], arguments["stems"]) == (False, ["drums", "bass", "other", "vocals"])
    model, arguments = arguments_of(HDEMUCS.encode(), "a.yaml")
    assert (model, arguments["width"], arguments["transform"], arguments["sample_rate"]) == ("hdemucs", 48, 4096, 44100)


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        ("scnet", "expand: 1", "expand: 1\n  use_mamba: true", "model has use_mamba, which our scnet lacks"),
        ("scnet", "conv_depths: [3, 2, 1]", "conv_depths: [2, 2, 1]", r"model\.conv_depths \[2, 2, 1\]: ours has \[3, 2, 1\]"),
        ("scnet", "normalized: True", "normalized: False", r"model\.normalized False: ours has True only"),
        ("scnet", "win_size: 4096", "win_size: 2048", r"model\.win_size 2048: ours is as long"),
        ("scnet", "audio_channels: 2", "audio_channels: 1", r"model\.dims begins with \[4\]"),
        ("scnet", "band_SR: [0.175, 0.392, 0.433]", "band_SR: [0.5, 0.5]", r"shares \(0\.5, 0\.5\)"),
        ("hdemucs", "nfft: 4096", "nfft: 2048", r"hdemucs\.nfft 2048: ours has 4096 only"),
        ("hdemucs", "dconv_comp: 4", "dconv_comp: 4\n  t_layers: 5", "hdemucs has t_layers, which our hdemucs lacks"),
        ("hdemucs", "model: hdemucs", "model: htdemucs", "model htdemucs: of Demucs only hdemucs is here"),
        ("hdemucs", "instruments: [", "players: [", "training names no instruments"),
    ],
)  # fmt: skip
def test_what_ours_lack_is_said_in_one_line(name, old, new, words):
    assert YAMLS[name].count(old) == 1
    with pytest.raises(BadInput, match=words) as error:
        from_msst({"m.yaml": YAMLS[name].replace(old, new).encode(), "m.ckpt": pickled({})})
    assert "\n" not in str(error.value)


def test_a_state_that_does_not_fit_is_named():
    files = folder("scnet")
    state = torch.load(io.BytesIO(files["scnet.ckpt"]))
    state.pop("decoder.0.0.conv.bias")
    with pytest.raises(BadInput, match=r"s\.ckpt: .* 1 tensors missing, such as decoder\.0\.0\.conv\.bias"):
        from_msst({"s.yaml": files["scnet.yaml"], "s.ckpt": pickled(state)})


def test_the_yaml_has_what_separation_reads():
    content = yaml.unsafe_load(folder("hdemucs")["htdemucs.yaml"])
    assert (content["model"], content["hdemucs"]["channels"], content["hdemucs"]["nfft"]) == ("hdemucs", 4, 4096)
    assert content["training"]["samplerate"] == content["audio"]["sample_rate"] == 8000
    content = yaml.unsafe_load(folder("scnet")["scnet.yaml"])
    assert (content["model"]["dims"], content["model"]["sources"]) == ([4, 8, 12], ["vocals", "drums"])
