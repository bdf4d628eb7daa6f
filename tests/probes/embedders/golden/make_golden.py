"""Golden values of the shipped embedders, from the code of those who published them. See README.md beside it.

Nothing of raysep is imported here: the values must not come from what they are to test.
"""

from __future__ import annotations

import os
import sys

import numpy as np


def signal(rate: int, seconds: float) -> np.ndarray:
    """``(time,)`` float32 by formula: a rising tone, a gated one and a square wave."""
    t = np.arange(round(seconds * rate)) / rate
    rising = 0.2 * np.sin(2 * np.pi * (100 * t + 900 * t**2))
    gated = 0.1 * np.sin(2 * np.pi * 3000 * t) * (np.sin(2 * np.pi * 2 * t) > 0)
    square = 0.05 * np.sign(np.sin(2 * np.pi * 220 * t))
    return (rising + gated + square).astype(np.float32)


def aisfx_features(out: str) -> None:
    """The spectra that aiSFX takes, by Essentia with the arguments of the package, spectrum k beginning at 1024 k."""
    import essentia.standard as essentia

    x = signal(44_100, 3.6)
    window = essentia.Windowing(type="hann", normalized=False, zeroPadding=0)
    spectrum = essentia.Spectrum(size=2048)
    bands = essentia.MelBands(
        inputSize=1025, numberBands=96, sampleRate=44_100, lowFrequencyBound=0, highFrequencyBound=22_050,
        warpingFormula="htkMel", weighting="warping", normalize="unit_sum", type="power", log=False,
    )  # fmt: skip
    pieces = [x[k : k + 2048] for k in range(0, len(x) - 2047, 1024)]
    log = np.log10(1e4 * np.array([bands(spectrum(window(piece))) for piece in pieces]) + 1)
    np.savez_compressed(out, spectra=(log / 9.457798957824707)[:150].astype(np.float32))


def aisfx(unpacked: str, features: str, out: str) -> None:
    """The package's network, float32 as published, on those spectra."""
    import torch

    sys.path.insert(0, f"{unpacked}/aisfx/models")
    from cnn2d import EmbeddingNet

    # The wheel's pickle runs code, as importing the wheel does: its digest is checked, see README.md.
    weights, _ = torch.load(f"{unpacked}/aisfx/models/checkpoint.pth", map_location="cpu", weights_only=False)
    prefix = "embedding_net."
    network = EmbeddingNet("max", 3, 1, 64)
    network.load_state_dict({k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)})
    spectra = np.load(features)["spectra"]
    with torch.no_grad():
        embedded = network.eval()(torch.from_numpy(np.stack([spectra[k : k + 100] for k in (0, 50)])))
    np.savez_compressed(out, spectra=spectra, embedded=embedded.numpy())


def musicnn(unpacked: str, out: str) -> None:
    """The package's graph under TensorFlow, on librosa's spectra; they stay float32, see ``raysep``'s musicnn.py."""
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    import librosa
    import tensorflow as tf

    sys.path.insert(0, unpacked)
    tf.compat.v1.disable_eager_execution()
    from musicnn import models

    x = signal(16_000, 4.6)
    mel = librosa.feature.melspectrogram(y=x, sr=16_000, hop_length=256, n_fft=512, n_mels=96, center=False).T
    spectra = np.log10(1e4 * mel + 1).astype(np.float32)[: 187 + 94]
    inputs = tf.compat.v1.placeholder(tf.float32, [None, 187, 96])
    training = tf.compat.v1.placeholder(tf.bool)
    penultimate = models.define_model(inputs, training, "MTT_musicnn", 50)[-1]
    with tf.compat.v1.Session() as session:
        tf.compat.v1.train.Saver().restore(session, f"{unpacked}/musicnn/MTT_musicnn/")
        patches = np.stack([spectra[k : k + 187] for k in (0, 94)])
        embedded = session.run(penultimate, {inputs: patches, training: False})
    np.savez_compressed(out, spectra=spectra, embedded=embedded)


if __name__ == "__main__":
    {"aisfx-features": aisfx_features, "aisfx": aisfx, "musicnn": musicnn}[sys.argv[1]](*sys.argv[2:])
