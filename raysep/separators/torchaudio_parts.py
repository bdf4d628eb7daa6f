"""torchaudio's networks and functions, also where its compiled extension cannot load.

The extension of a torchaudio wheel is built for one torch; beside another (a CPU-only one, a newer one) loading it fails,
and with it ``import torchaudio``. What is used here is plain torch and need none of it.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from types import ModuleType
from typing import NoReturn


def models() -> ModuleType:
    """The module ``torchaudio.models``."""
    return load("torchaudio.models")


def functional() -> ModuleType:
    """The module ``torchaudio.functional``."""
    return load("torchaudio.functional")


def load(module: str) -> ModuleType:
    """A module of torchaudio. Afterwards a plain ``import torchaudio`` succeeds in this process too.

    Raises ``ImportError`` when torchaudio is not installed.
    """
    try:
        return importlib.import_module(module)
    except (OSError, RuntimeError):  # symbols it does not find, or its check of CUDA versions
        for name in [n for n in sys.modules if n.partition(".")[0] == "torchaudio"]:
            del sys.modules[name]  # what the failed import left behind
        sys.modules["torchaudio._extension"] = _no_extension()
        return importlib.import_module(module)


def _no_extension() -> ModuleType:
    """What the package finds where it was built without its extension."""
    stub = ModuleType("torchaudio._extension", "Stands in for an extension that cannot load beside this torch.")
    vars(stub).update(_IS_TORCHAUDIO_EXT_AVAILABLE=False, _IS_ALIGN_AVAILABLE=False, fail_if_no_align=_needs_extension)
    return stub


def _needs_extension(function: Callable) -> Callable[..., NoReturn]:
    def fail(*_: object, **__: object) -> NoReturn:
        raise RuntimeError(f"{function.__name__} needs torchaudio's compiled extension, which does not load here")

    return fail
