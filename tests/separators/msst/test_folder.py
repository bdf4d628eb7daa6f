from __future__ import annotations

import io

import pytest
import torch
import yaml

from raysep.errors import BadInput
from raysep.separators import registry
from raysep.separators.bsroformer import PUBLISHED
from raysep.separators.checkpoint import Checkpoint, network_of
from raysep.separators.melroformer import mel_bands
from raysep.separators.msst import arguments_of, from_msst, to_msst
from tests.published_roformer import shapes

# As MSST's own YAMLs look, without the sections that say nothing of the network.
BS_YAML = """
audio:
  chunk_size: 352800
  hop_length: 441 # don't work (use in model)
  num_channels: 2
  sample_rate: 44100
model:
  dim: 512
  depth: 12
  stereo: true
  num_stems: 1
  time_transformer_depth: 1
  freq_transformer_depth: 1
  linear_transformer_depth: 0
  freqs_per_bands: !!python/tuple
    - 1000
    - 25
  dim_head: 64
  heads: 8
  attn_dropout: 0.1
  ff_dropout: 0.1
  flash_attn: true
  dim_freqs_in: 1025
  stft_n_fft: 2048
  stft_hop_length: 441
  stft_win_length: 2048
  stft_normalized: false
  mask_estimator_depth: 2
  multi_stft_resolution_loss_weight: 1.0
  multi_stft_resolutions_window_sizes: !!python/tuple
  - 4096
  - 256
  multi_stft_hop_size: 147
  multi_stft_normalized: False
training:
  instruments:
  - vocals
  - other
  target_instrument: vocals
"""
MEL_YAML = """
audio:
  num_channels: 2
  sample_rate: 8000
model:
  dim: 12
  depth: 2
  stereo: true
  num_stems: 2
  time_transformer_depth: 1
  freq_transformer_depth: 1
  num_bands: 6
  heads: 2
  dim_head: 6
  sample_rate: 8000  # needed for mel filter bank from librosa
  stft_n_fft: 128
  stft_hop_length: 32
  mask_estimator_depth: 2
  mlp_expansion_factor: 1
  skip_connection: False
training:
  instruments: ['drums', 'bass']
  target_instrument: null
"""
MEL_SHAPES = shapes(
    [len(bins) for bins in mel_bands(8000, 128, 6)], 12, 2, 2,
    heads=2, dim_head=6, expansion=1, hidden_layers=2, mel=True,
)  # fmt: skip


def pickled(content) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


@pytest.fixture
def state():
    torch.manual_seed(0)
    return {name: torch.randn(shape) for name, shape in MEL_SHAPES.items()}


def test_a_yaml_says_the_network():
    model, arguments = arguments_of(BS_YAML.encode(), "a.yaml")
    assert model == "bs-roformer"
    assert arguments == {
        **{"stems": ["vocals"], "sample_rate": 44100, "channels": 2, "n_fft": 2048, "hop": 441, "dim": 512, "depth": 12},
        **{"time_transformer_depth": 1, "freq_transformer_depth": 1, "heads": 8, "dim_head": 64, "attn_dropout": 0.1},
        **{"ff_dropout": 0.1, "mask_estimator_depth": 2, "mlp_expansion_factor": 4, "freqs_per_bands": (1000, 25)},
    }  # fmt: skip
    model, arguments = arguments_of(MEL_YAML.encode(), "b.yaml")
    assert model == "mel-band-roformer"
    assert arguments["stems"] == ["drums", "bass"]
    assert (arguments["num_bands"], arguments["mlp_expansion_factor"], arguments["sample_rate"]) == (6, 1, 8000)


def test_what_a_yaml_leaves_out_is_what_msst_takes():
    few = "audio: {}\nmodel: {dim: 8, depth: 1}\ntraining: {instruments: [vocals]}"
    model, arguments = arguments_of(few.encode(), "few.yaml")
    assert model == "bs-roformer"
    assert (arguments["channels"], arguments["hop"], arguments["sample_rate"]) == (1, 512, 44100)
    assert (arguments["time_transformer_depth"], arguments["freq_transformer_depth"]) == (2, 2)
    with torch.device("meta"):
        assert registry.build(model, **arguments).config.bands == PUBLISHED


@pytest.mark.parametrize(
    "around", [lambda s: s, lambda s: {"state_dict": s, "epoch": 3}], ids=["bare", "of a training"]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_a_published_folder_becomes_a_checkpoint(state, around, dtype):
    state = {name: tensor.to(dtype) for name, tensor in state.items()}
    made = from_msst({"config.yaml": MEL_YAML.encode(), "model.ckpt": pickled(around(state))})
    network = network_of(made)
    assert network.stems == ("drums", "bass")
    assert all(torch.equal(tensor, state[name].float()) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize("model", ["bs-roformer", "mel-band-roformer"])
@pytest.mark.parametrize("stems", [("vocals",), ("drums", "bass")])
def test_there_and_back_it_is_the_same(model, stems, small_arguments):
    network = registry.build(model, stems=stems, sample_rate=8000, **small_arguments(model))
    name, arguments = registry.describe(network)
    files = to_msst(Checkpoint(name, arguments, network.state_dict()))
    assert sorted(files) == sorted(f"{model.replace('-', '_')}.{ending}" for ending in ("yaml", "ckpt"))
    again = network_of(from_msst(files))
    assert again.config == network.config
    assert all(torch.equal(tensor, network.state_dict()[key]) for key, tensor in again.state_dict().items())


def test_the_yaml_says_what_msst_asks_for():
    """Its loader makes the tuples that its classes insist on; what inference reads is there."""
    network = registry.build("bs-roformer", stems=("vocals",), dim=8, depth=1, heads=1, dim_head=2, hop=441)
    name, arguments = registry.describe(network)
    content = yaml.unsafe_load(to_msst(Checkpoint(name, arguments, network.state_dict()))["bs_roformer.yaml"])
    assert content["model"]["freqs_per_bands"] == PUBLISHED
    assert (content["model"]["stereo"], content["model"]["num_stems"]) == (True, 1)
    assert (content["training"]["instruments"], content["training"]["target_instrument"]) == (["vocals"], "vocals")
    assert content["audio"] == {
        **{"chunk_size": 352800, "sample_rate": 44100, "num_channels": 2, "n_fft": 2048, "hop_length": 441},
        **{"min_mean_abs": 0.0},
    }
    assert content["inference"]["dim_t"] == 801


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("  depth: 2\n", "", "model lacks depth"),
        ("num_bands: 6", "num_bands: 6\n  zero_dc: true", "model has zero_dc, which neither"),
        ("skip_connection: False", "skip_connection: True", "skip_connection True: ours has False only"),
        ("stft_n_fft: 128", "stft_n_fft: 128\n  stft_win_length: 100", "stft_win_length 100"),
        ("audio:\n  num_channels: 2\n  sample_rate: 8000", "audio: {}", r"model\.sample_rate 8000, but audio"),
        ("num_stems: 2", "num_stems: 1", r"num_stems 1, but training names drums, bass"),
        ("dim: 12", "dim: wide", "mel-band-roformer refuses .*wide"),
        ("dim: 12", "dim: 10", r"m\.ckpt: does not fit .*tensors of another shape, such as layers\.0\.0"),
        ("depth: 2\n  stereo", "depth: 1\n  stereo", r"m\.ckpt: .*tensors unknown here, such as layers\.1\.0"),
        ("depth: 2\n  stereo", "depth: 3\n  stereo", r"m\.ckpt: .*tensors missing, such as layers\.2\.0"),
        ("training:", "later:", "no section training"),
        ("audio:", "audio: [", "not YAML"),
        ("num_bands: 6", "num_bands: !!python/object:os.system 6", "not YAML"),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(state, old, new, words):
    assert MEL_YAML.count(old) == 1
    with pytest.raises(BadInput, match=words) as error:
        from_msst({"m.yaml": MEL_YAML.replace(old, new).encode(), "m.ckpt": pickled(state)})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["a.yaml"], r"0 files ending in \.ckpt or \.pth"),
        (["a.yaml", "a.ckpt", "b.ckpt"], r"2 files ending in \.ckpt"),
        (["a.yaml", "b.yml", "a.ckpt"], r"2 files ending in \.yaml"),
    ],
)
def test_a_folder_holds_one_of_each(names, words):
    with pytest.raises(BadInput, match=words):
        from_msst(dict.fromkeys(names, b""))


@pytest.mark.parametrize(
    ("model", "change", "words"),
    [
        ("convtasnet", {}, "only bs-roformer, mel-band-roformer, scnet and hdemucs become"),
        ("scnet", {}, "train with network.arguments={standardised: false"),
        ("hdemucs", {"transform": 1024}, "transform 1024: only hdemucs of 4096 samples"),
        ("bs-roformer", {"channels": 3}, "channels 3: MSST's networks have one or two"),
    ],
)
def test_what_msst_could_not_load_is_not_written(model, change, words, small_arguments):
    network = registry.build(model, sample_rate=8000, **small_arguments(model) | change)
    name, arguments = registry.describe(network)
    with pytest.raises(BadInput, match=words):
        to_msst(Checkpoint(name, arguments, network.state_dict()))
