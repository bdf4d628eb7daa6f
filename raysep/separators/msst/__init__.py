"""Networks as Music-Source-Separation-Training (MSST) keeps them: a YAML that says the shape, and a ``.ckpt`` with the state.

    folder ─ such a folder to a checkpoint, and back          form ─ what is said of each network:
    roformer, scnet, hdemucs ─ its YAML as our arguments, our arguments as its YAML, and its tensors' names

Format: MSST's ``configs/``, the arguments of its classes and the names of their parameters, as of 2025.
"""

from raysep.separators.msst.folder import FORMS, arguments_of, from_msst, is_msst, to_msst

__all__ = ["FORMS", "arguments_of", "from_msst", "is_msst", "to_msst"]
