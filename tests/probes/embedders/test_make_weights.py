"""The maker of the weights: what can be checked without the published wheels."""

from __future__ import annotations

import hashlib
import io
import struct
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load

from raysep.probes.embedders import aisfx, make_weights, musicnn


def varint(number: int) -> bytes:
    """As the documentation of protocol buffers has it: 150 is 96 01."""
    out = b""
    while number > 127:
        out += bytes([number % 128 + 128])
        number //= 128
    return out + bytes([number])


def table_block(pairs: list[tuple[bytes, bytes]]) -> bytes:
    """A block of LevelDB's table format: each key less what it shares with the one before; one restart point."""
    out, before = b"", b""
    for key, value in pairs:
        shared = next(
            (k for k, (a, b) in enumerate(zip(key, before, strict=False)) if a != b), min(len(key), len(before))
        )
        out += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        before = key
    return out + struct.pack("<II", 0, 1)


def checkpoint(arrays: dict[str, np.ndarray], per_block: int = 3) -> tuple[bytes, bytes]:
    """``(.index, .data)`` of a TensorFlow checkpoint: BundleEntryProto by name in a table, arrays end to end."""
    pairs, data = [(b"", b"\x08\x01")], b""  # the header: num_shards = 1
    for name in sorted(arrays):
        array = arrays[name]
        dtype = {"float32": 1, "int64": 9}[array.dtype.name]
        shape = b"".join(b"\x12" + varint(len(d)) + d for d in (b"\x08" + varint(n) for n in array.shape))
        entry = b"\x08" + varint(dtype) + b"\x12" + varint(len(shape)) + shape
        if data:  # zeros are left out
            entry += b"\x20" + varint(len(data))
        entry += b"\x28" + varint(array.nbytes) + b"\x35" + b"\x01\x02\x03\x04"  # size, and a checksum nobody reads
        pairs.append((name.encode(), entry))
        data += array.tobytes()
    index, handles = b"", []
    for k in range(0, len(pairs), per_block):
        block = table_block(pairs[k : k + per_block])
        handles.append((pairs[k : k + per_block][-1][0], varint(len(index)) + varint(len(block))))
        index += block + b"\0" * 5  # not compressed, and a checksum
    top = table_block(handles)
    footer = varint(0) + varint(0) + varint(len(index)) + varint(len(top))
    index += top + b"\0" * 5 + footer.ljust(40, b"\0") + bytes.fromhex("57fb808b247547db")
    return index, data


@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=5))
def test_numbers_of_any_length(values):
    assert make_weights.numbers(b"".join(map(varint, values)), 0, len(values))[0] == values


def test_the_documented_number():
    assert make_weights.numbers(b"\x00\x96\x01", 1, 1) == ([150], 3)


def test_fields_of_every_wire_type():
    message = b"\x08\x96\x01" + b"\x12\x02hi" + b"\x1d\x01\x02\x03\x04" + b"\x21" + b"8 bytes."
    assert list(make_weights.fields(message)) == [(1, 150), (2, b"hi"), (3, b"\x01\x02\x03\x04"), (4, b"8 bytes.")]


@pytest.mark.parametrize("per_block", [1, 3, 100])
def test_a_checkpoint_is_read_back(per_block):
    rng = np.random.default_rng(0)
    shapes = {
        "conv2d/kernel": (3, 2, 1, 4),
        "conv2d/bias": (4,),
        "conv2d_1/bias": (4,),
        "beta1_power": (),
        "z": (200, 300),
    }
    arrays = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    found = make_weights.bundle(*checkpoint(arrays | {"global_step": np.array([7])}, per_block))
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)


def wheel_of(files: dict[str, bytes]) -> zipfile.ZipFile:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as wheel:
        for name, data in files.items():
            wheel.writestr(name, data)
    return zipfile.ZipFile(stream)


def test_musicnn_keeps_what_the_network_takes():
    """Kernels (time, mel, in, out) become (out, in, time, mel); Adam's memory and the tags are left."""
    back = {"running_mean": "moving_mean", "running_var": "moving_variance"}
    arrays, number = {}, 0.0
    for name, shape in musicnn.tensor_shapes().items():
        layer, part = name.split(".")
        number += 1.0
        if len(shape) == 4:
            arrays[f"{layer}/kernel"] = np.full([shape[k] for k in (2, 3, 1, 0)], number, np.float32)
            arrays[f"{layer}/kernel/Adam"] = arrays[f"{layer}/kernel"]
        elif len(shape) == 2:
            arrays[f"{layer}/kernel"] = np.full(shape[::-1], number, np.float32)
        else:
            if layer.startswith("batch"):
                part = {"weight": "gamma", "bias": "beta"}.get(part, back.get(part, part))
            arrays[f"{layer}/{part}"] = np.full(shape, number, np.float32)
    arrays["conv2d/kernel"][2, 5, 0, 7] = -1.0
    arrays["dense/kernel"][3, 4] = -2.0
    arrays |= {"dense_1/kernel": np.ones((200, 50), np.float32), "beta1_power": np.ones((), np.float32)}
    index, data = checkpoint(arrays)
    folder = "musicnn/MTT_musicnn/"
    kept = make_weights.musicnn(wheel_of({f"{folder}.index": index, f"{folder}.data-00000-of-00001": data}))
    assert {name: array.shape for name, array in kept.items()} == musicnn.tensor_shapes()
    assert [kept[name].flat[-1] for name in musicnn.tensor_shapes()] == list(range(1, len(kept) + 1))
    assert kept["conv2d.weight"][7, 0, 2, 5] == -1.0
    assert kept["dense.weight"][4, 3] == -2.0


def test_aisfx_keeps_the_embedding_network_alone():
    tensors = {f"embedding_net.{name}": torch.randn(shape) for name, shape in aisfx.tensor_shapes().items()}
    others = {"embedding_net.conv_block1.bn1.num_batches_tracked": torch.tensor(7), "fc.0.0.weight": torch.ones(2, 2)}
    stream = io.BytesIO()
    table = {"data set": (np.int64(3), np.float64(0.5))}
    torch.save((OrderedDict(tensors | others), table), stream)
    kept = make_weights.aisfx(wheel_of({"aisfx/models/checkpoint.pth": stream.getvalue()}))
    assert {name: array.shape for name, array in kept.items()} == aisfx.tensor_shapes()
    np.testing.assert_array_equal(kept["conv_block2.conv1.weight"], tensors["embedding_net.conv_block2.conv1.weight"])


def test_kernels_are_halved_and_the_rest_stays():
    rng = np.random.default_rng(0)
    arrays = {"k": rng.normal(size=(4, 3)).astype(np.float32), "b": rng.normal(size=4).astype(np.float32)}
    data = make_weights.pack(arrays)
    found = load(data)
    np.testing.assert_array_equal(found["b"], arrays["b"])
    assert found["k"].dtype == np.float16
    np.testing.assert_allclose(found["k"], arrays["k"], rtol=2**-11)
    assert make_weights.pack(dict(reversed(arrays.items()))) == data


def test_another_wheel_is_refused(tmp_path):
    path = tmp_path / "aisfx.whl"
    path.write_bytes(b"not it")
    with pytest.raises(ValueError, match=hashlib.sha256(b"not it").hexdigest()):
        make_weights.open_wheel(path, "aisfx")
