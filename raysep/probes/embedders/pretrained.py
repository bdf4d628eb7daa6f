"""Networks of the transformers package from a folder: the extra, nothing from the network, nothing left to chance."""

from __future__ import annotations

import logging as levels
from pathlib import Path
from types import ModuleType
from typing import Any

from raysep.errors import BadInput
from raysep.separators import torchaudio_parts


def transformers(name: str) -> ModuleType:
    """The package. Raises ``BadInput`` naming the embedder when it is not installed."""
    torchaudio_parts.load("torchaudio")  # transformers imports it, and would fail where its extension does not load
    try:
        import transformers
    except ImportError as error:
        raise BadInput(f"embedder {name!r} needs transformers; pip install 'raysep[embedders]'") from error
    return transformers


def network_from(folder: Path, kind: Any, name: str, **options: Any) -> Any:
    """The network of class ``kind`` with the weights in ``folder``, float32, in eval mode.

    Raises ``BadInput`` for a folder that holds no such network, or not all of its weights: transformers would draw the
    absent ones at random and only log it.
    """
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(levels.CRITICAL)  # what it would log about is raised below
    logging.disable_progress_bar()
    try:
        network, info = kind.from_pretrained(folder, local_files_only=True, output_loading_info=True, **options)
    except Exception as error:  # a wrong folder ends in anything from OSError to TypeError
        raise BadInput(f"{folder}: no {kind.__name__} for embedder {name!r} here ({error}); {_WAY_OUT}") from error
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
    absent = sorted(str(key) for key in (*info["missing_keys"], *info["mismatched_keys"]))
    if absent:
        raise BadInput(
            f"{folder}: {len(absent)} weights that embedder {name!r} needs are absent or of another shape, the first "
            f"{absent[0]}; {_WAY_OUT}"
        )
    return network.float().eval()


_WAY_OUT = "give a folder with config.json and model.safetensors (or pytorch_model.bin) of the published model"
