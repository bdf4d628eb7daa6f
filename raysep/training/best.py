"""The checkpoints of the best validations: kept with the training's state, written where the plan's result goes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence

from raysep.corpus import storage
from raysep.training.plan import sidecar_of


def write(uri: str, data: bytes, **more: object) -> None:
    """A checkpoint, and after it what it says about itself, and ``more``, as JSON beside it."""
    from raysep.separators import checkpoint

    storage.write_bytes(uri, data)
    about = checkpoint.sidecar(checkpoint.from_bytes(data, uri))
    storage.write_bytes(sidecar_of(uri), json.dumps(more | about, indent=2).encode())


class Best:
    """Holds the bytes of the best checkpoints, so that a resumed training has them whatever was written after its state.

    ``out`` is the best one. When more than one is kept, each is also in a file of its own, named for its step.
    """

    def __init__(
        self,
        out: str,
        keep: int,
        held: dict[int, bytes] | None = None,
        write: Callable[[str, bytes], None] = storage.write_bytes,
    ) -> None:
        self.out, self.keep, self.write = out, keep, write
        self.held = dict(held or {})

    def note(self, ranking: Sequence[int], step: int, make: Callable[[], bytes]) -> None:
        """``ranking`` holds the best steps so far, the best first; ``make`` the checkpoint of the present ``step``."""
        if step not in ranking:
            return
        self.held[step] = make()
        self.held = {known: self.held[known] for known in ranking}
        if step == ranking[0]:
            self.write(self.out, self.held[step])
        if self.keep > 1:
            self.write(self.uri(step), self.held[step])
            self._delete_others()

    def finish(self, ranking: Sequence[int]) -> None:
        """Once more, for a training that was killed between its last state and its end."""
        self.write(self.out, self.held[ranking[0]])
        if self.keep > 1:
            for step, data in self.held.items():
                self.write(self.uri(step), data)
            self._delete_others()

    def uri(self, step: int) -> str:
        return f"{self.out.removesuffix('.safetensors')}-step{step}.safetensors"

    def _delete_others(self) -> None:
        folder, _, name = self.out.rpartition("/")
        pattern = re.compile(re.escape(name.removesuffix(".safetensors")) + r"-step(\d+)\.(safetensors|json)")
        for info in storage.list_files(folder, recursive=False):
            found = pattern.fullmatch(info.base_name)
            if found and int(found[1]) not in self.held:
                storage.delete(storage.uri_of(folder, info))
