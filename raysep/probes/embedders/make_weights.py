"""Make the weights in ``weights/`` from the packages that publish them. Run once by a maintainer, never by a user.

Neither package is installed: only files in their wheels are read, so that no old TensorFlow or librosa comes along::

    pip download --no-deps aisfx==0.1.2 musicnn==0.1.0
    python -m raysep.probes.embedders.make_weights aisfx-0.1.2-*.whl musicnn-0.1.0-*.whl raysep/probes/embedders/weights

Convolution and dense kernels are rounded to float16, which halves the files; everything else stays float32. Batch-norms
stay as published: ``shipped.batch_norm`` folds them when a network is built. Equal wheels give equal bytes.
"""

from __future__ import annotations

import hashlib
import importlib
import io
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

WHEELS = {
    "aisfx": "bfe219950715af179e9a1653e7117cc1852baef267cd6596c42cad74afe1d194",
    "musicnn": "f38a4890c648c1ddbb141c5d96d2b0a8cfcd36746002d896989f7b88beb65cfa",
}
FOOTER, FLOAT = 48, 1  # bytes at the end of a table; the code of float32 in a checkpoint
Arrays = dict[str, np.ndarray]


def aisfx(wheel: zipfile.ZipFile) -> Arrays:
    """The embedding network of aiSFX's checkpoint, float32 by published name without ``embedding_net.``."""
    import torch

    checkpoint = io.BytesIO(wheel.read("aisfx/models/checkpoint.pth"))
    # The checkpoint also holds a table of data sets: its strings and numbers are numpy scalars. Nothing else may load.
    scalar = importlib.import_module("numpy._core.multiarray").scalar
    kinds = [np.dtype, scalar, *(type(np.dtype(kind)) for kind in ("int64", "float64", "str"))]
    named = [(scalar, "numpy.core.multiarray.scalar")]
    with torch.serialization.safe_globals([*kinds, *named]):
        tensors, _ = torch.load(checkpoint, map_location="cpu", weights_only=True)
    kept = {key.removeprefix("embedding_net."): t for key, t in tensors.items() if key.startswith("embedding_net.")}
    return {key: t.numpy() for key, t in kept.items() if not key.endswith("num_batches_tracked")}


def musicnn(wheel: zipfile.ZipFile) -> Arrays:
    """The MTT network of musicnn up to its 200 units, float32; kernels in torch's order (out, in, time, mel)."""
    arrays = bundle(wheel.read("musicnn/MTT_musicnn/.index"), wheel.read("musicnn/MTT_musicnn/.data-00000-of-00001"))
    parts = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
    kept = {}
    for key, array in arrays.items():
        layer, _, part = key.partition("/")
        if "/" in part or part not in {"kernel", "bias", *parts} or layer == "dense_1":  # Adam's memory; tags
            continue
        if part == "kernel":
            part, array = "weight", array.transpose(3, 2, 0, 1) if array.ndim == 4 else array.T
        kept[f"{layer}.{parts.get(part, part)}"] = np.ascontiguousarray(array)
    return kept


def bundle(index: bytes, data: bytes) -> Arrays:
    """The float32 arrays of a TensorFlow checkpoint (one ``.index`` and one ``.data`` file), by name.

    The index is a table of sorted keys in blocks, LevelDB's format without compression; a value is a protocol buffer
    (BundleEntryProto): 1 dtype, 2 shape, 4 offset, 5 size.
    """
    _, at = numbers(index, len(index) - FOOTER, 2)  # where the table of its own statistics is
    (start, size), _ = numbers(index, at, 2)
    arrays = {}
    for _, handle in entries(index[start : start + size]):  # one for each block
        (start, size), _ = numbers(handle, 0, 2)
        for key, value in entries(index[start : start + size]):
            entry = dict(fields(value))
            if key and entry[1] == FLOAT:  # the empty key is a header
                shape = [
                    dict(fields(dimension)).get(1, 0) for number, dimension in fields(entry.get(2, b"")) if number == 2
                ]
                begin = entry.get(4, 0)
                arrays[key.decode()] = np.frombuffer(data[begin : begin + entry[5]], "<f4").reshape(shape)
    return arrays


def entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The (key, value) pairs of a table's block; a key is stored as what differs from the key before."""
    restarts = int.from_bytes(block[-4:], "little")
    at, key = 0, b""
    while at < len(block) - 4 * (restarts + 1):
        (shared, own, size), at = numbers(block, at, 3)
        key = key[:shared] + block[at : at + own]
        yield key, block[at + own : at + own + size]
        at += own + size


def fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """The (number, value) fields of a protocol buffer; a value is an integer or bytes."""
    value: Any
    at = 0
    while at < len(message):
        (tag,), at = numbers(message, at, 1)
        if tag & 7 == 0:
            (value,), at = numbers(message, at, 1)
        else:
            if tag & 7 == 2:
                (size,), at = numbers(message, at, 1)
            else:
                size = {1: 8, 5: 4}[tag & 7]
            value, at = message[at : at + size], at + size
        yield tag >> 3, value


def numbers(data: bytes, at: int, count: int) -> tuple[list[int], int]:
    """``count`` variable-length integers (7 bits a byte, lowest first) from ``at`` on, and where they end."""
    found = []
    for _ in range(count):
        value, shift = 0, 0
        while True:
            value |= (data[at] & 127) << shift
            at, shift = at + 1, shift + 7
            if data[at - 1] < 128:
                break
        found.append(value)
    return found, at


def pack(arrays: Arrays) -> bytes:
    """One safetensors file: kernels (more than one axis) as float16, the rest as float32."""
    from safetensors.numpy import save

    return save({key: array.astype(np.float16 if array.ndim > 1 else np.float32) for key, array in arrays.items()})


def open_wheel(path: Path, name: str) -> zipfile.ZipFile:
    """The wheel, if it is the one that these weights were made from; else raises ``ValueError``."""
    data = path.read_bytes()
    if (digest := hashlib.sha256(data).hexdigest()) != WHEELS[name]:
        raise ValueError(f"{path}: sha256 is {digest}, not that of the wheel of {name} the weights were made from")
    return zipfile.ZipFile(io.BytesIO(data))


def main(aisfx_wheel: str, musicnn_wheel: str, folder: str) -> None:
    files = {
        "aisfx.safetensors": aisfx(open_wheel(Path(aisfx_wheel), "aisfx")),
        "musicnn-mtt.safetensors": musicnn(open_wheel(Path(musicnn_wheel), "musicnn")),
    }
    for name, arrays in files.items():
        data = pack(arrays)
        (Path(folder) / name).write_bytes(data)
        print(f"{name}: {len(data) / 1e6:.1f} MB, sha256 {hashlib.sha256(data).hexdigest()}")


if __name__ == "__main__":
    main(*sys.argv[1:])
