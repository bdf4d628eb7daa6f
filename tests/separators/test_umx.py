"""Open-Unmix's own package is the oracle: the same weights must give the same output, in both directions."""

from __future__ import annotations

import json

import pytest
import torch

from raysep.errors import BadInput
from raysep.separators import checkpoint, pickled, registry, umx
from raysep.separators.torchaudio_parts import models

TARGETS = ["bass", "drums", "other", "vocals"]
SETTINGS = {"nfft": 512, "nhop": 128, "nb_channels": 2}


@pytest.fixture(scope="module")
def package():
    """(openunmix.model, openunmix.utils); the package imports torchaudio, which here may need help."""
    models()
    return pytest.importorskip("openunmix.model"), pytest.importorskip("openunmix.utils")


@pytest.fixture(scope="module")
def folder(package, tmp_path_factory):
    """A model folder as the package's training script leaves it."""
    torch.manual_seed(0)
    root = tmp_path_factory.mktemp("umx")
    for target in TARGETS:
        network = package[0].OpenUnmix(nb_bins=257, nb_channels=2, hidden_size=16, nb_layers=3, max_bin=190)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(0.05 * torch.randn_like(parameter))
            for norm in (network.bn1, network.bn2, network.bn3):
                norm.running_mean.normal_()
                norm.running_var.uniform_(0.5, 2.0)
        torch.save(network.state_dict(), root / f"{target}.pth")
        (root / f"{target}.json").write_text(json.dumps({"args": SETTINGS | {"hidden_size": 16}}))
    (root / "separator.json").write_text(json.dumps(SETTINGS | {"sample_rate": 16000.0}))
    return root


def files(root) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in root.iterdir()}


def load(package, root, niter: int, residual: bool):
    separator = package[1].load_separator(str(root), targets=TARGETS, niter=niter, residual=residual)
    separator.freeze()
    return separator


def mixtures() -> torch.Tensor:
    return 0.2 * torch.randn(2, 2, 45_001, generator=torch.Generator().manual_seed(1))  # 352 frames: two Wiener windows


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize(("niter", "filter"), [(0, "phase"), (1, "wiener")])
def test_the_packages_weights_give_the_packages_waveforms(package, folder, niter, filter, residual):
    network = checkpoint.network_of(umx.from_umx(files(folder)))
    with torch.no_grad():
        expected = load(package, folder, niter, residual)(mixtures())
        result = network.separate(mixtures(), filter, residual=residual)
    assert expected.abs().max() > 0.1
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-5)


def test_the_packages_weights_give_the_packages_magnitudes(package, folder):
    network = checkpoint.network_of(umx.from_umx(files(folder)))
    separator = load(package, folder, 0, False)
    with torch.no_grad():
        magnitude = separator.complexnorm(separator.stft(mixtures()))
        result = network(mixtures())
        for k, target in enumerate(TARGETS):
            expected = separator.target_models[target](magnitude.clone())
            torch.testing.assert_close(result[:, k], expected, rtol=1e-5, atol=1e-5)


def test_our_weights_give_our_waveforms_in_the_package(package, tmp_path):
    torch.manual_seed(3)
    network = registry.build(
        "openunmix",
        stems=TARGETS,
        sample_rate=16000,
        n_fft=512,
        hop=128,
        hidden=16,
        max_bin_hz=5000.0,
        padding="reflect",
    ).eval()
    model, arguments = registry.describe(network)
    for name, data in umx.to_umx(checkpoint.Checkpoint(model, arguments, dict(network.state_dict()))).items():
        (tmp_path / name).write_bytes(data)
    with torch.no_grad():
        expected = network.separate(mixtures(), "wiener")
        result = load(package, tmp_path, 1, False)(mixtures())
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-5)


def test_there_and_back_changes_no_weight(folder):
    there = umx.from_umx(files(folder))
    again = umx.from_umx(umx.to_umx(there))
    assert again.arguments == there.arguments
    assert all(torch.equal(again.weights[name], weight) for name, weight in there.weights.items())
    assert len(again.weights) == len(there.weights)


def test_the_extra_buffers_of_2019_are_left_out_and_others_are_refused(folder):
    given = files(folder)
    plain = umx.from_umx(given)
    old = dict(given)
    for target in TARGETS:
        state = pickled.read(given[f"{target}.pth"], target) | {
            "stft.window": torch.hann_window(512),
            "transform.0.window": torch.hann_window(512),
            "sample_rate": torch.tensor(16000),
        }
        del old[f"{target}.pth"]
        old[f"{target}-0123abcd.pth"] = pickled.write(state)
    again = umx.from_umx(old)
    assert again.arguments == plain.arguments
    assert all(torch.equal(again.weights[name], weight) for name, weight in plain.weights.items())
    old["bass-0123abcd.pth"] = pickled.write(state | {"fc4.weight": torch.zeros(1)})
    with pytest.raises(BadInput, match=r"bass.pth: .*fc4.weight"):
        umx.from_umx(old)


def test_what_does_not_convert_is_named(folder):
    given = files(folder)
    with pytest.raises(BadInput, match=r"separator\.json is missing"):
        umx.from_umx({"bass.pth": given["bass.pth"]})
    with pytest.raises(BadInput, match=r"without any \.pth"):
        umx.from_umx({"separator.json": given["separator.json"]})
    with pytest.raises(BadInput, match=r"bass.pth: not a state of tensors"):
        umx.from_umx(given | {"bass.pth": b"nothing"})
    with pytest.raises(BadInput, match="nfft 1024"):
        umx.from_umx(given | {"separator.json": json.dumps(SETTINGS | {"nfft": 1024, "sample_rate": 16000}).encode()})
    forward = {k: v for k, v in pickled.read(given["bass.pth"], "bass").items() if not k.endswith("_reverse")}
    with pytest.raises(BadInput, match="causal"):
        umx.from_umx(given | {"bass.pth": pickled.write(forward)})
    joint = registry.build("openunmix-joint", n_fft=128, hop=64, hidden=4)
    name, arguments = registry.describe(joint)
    with pytest.raises(BadInput, match="only its own network"):
        umx.to_umx(checkpoint.Checkpoint(name, arguments, dict(joint.state_dict())))
