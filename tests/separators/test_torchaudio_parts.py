from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys

import pytest
from raysep.separators import registry
assert "torchaudio" not in sys.modules, "torchaudio is imported before a network asks for it"
from raysep.separators.torchaudio_parts import models
assert models().HDemucs and models().ConvTasNet
import torchaudio, torchaudio.transforms, torchaudio.functional
{more}
"""


def run(more: str = "") -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM.format(more=more)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_networks_and_then_the_package_can_be_imported():
    run()


@pytest.mark.slow
def test_a_package_whose_extension_cannot_load_is_imported_without_it():
    """Whatever torch is installed here: an extension that fails to load is provoked."""
    import importlib.util
    import pathlib

    folder = pathlib.Path(importlib.util.find_spec("torchaudio").origin).parent
    broken = f"""
import torch
def refuse(path):
    raise OSError("undefined symbol")
for name in [n for n in sys.modules if n.startswith("torchaudio")]:
    del sys.modules[name]
torch.ops.load_library = refuse
assert models().HDemucs.__module__.startswith("torchaudio.")
import torchaudio
assert torchaudio.__file__.startswith({str(folder)!r})
"""
    run(broken)
