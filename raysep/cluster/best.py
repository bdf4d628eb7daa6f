"""The checkpoints of the best validations: kept with the training's state, written where the plan's result goes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from raysep.corpus import storage


class Best:
    """Holds the bytes of the best checkpoints, so that a resumed training has them whatever was written after its state.

    ``out`` is the best one. When more than one is kept, each is also in a file of its own, named for its step.
    """

    def __init__(self, out: str, keep: int, held: dict[int, bytes] | None = None) -> None:
        self.out, self.keep = out, keep
        self.held = dict(held or {})

    def note(self, ranking: Sequence[int], step: int, make: Callable[[], bytes]) -> None:
        """``ranking`` holds the best steps so far, the best first; ``make`` the checkpoint of the present ``step``."""
        if step not in ranking:
            return
        self.held[step] = make()
        self.held = {known: self.held[known] for known in ranking}
        if step == ranking[0]:
            storage.write_bytes(self.out, self.held[step])
        if self.keep > 1:
            storage.write_bytes(self.uri(step), self.held[step])
            self._delete_others()

    def finish(self, ranking: Sequence[int]) -> None:
        """Once more, for a training that was killed between its last state and its end."""
        storage.write_bytes(self.out, self.held[ranking[0]])
        if self.keep > 1:
            for step, data in self.held.items():
                storage.write_bytes(self.uri(step), data)
            self._delete_others()

    def uri(self, step: int) -> str:
        return f"{self.out.removesuffix('.safetensors')}-step{step}.safetensors"

    def _delete_others(self) -> None:
        folder, _, name = self.out.rpartition("/")
        pattern = re.compile(re.escape(name.removesuffix(".safetensors")) + r"-step(\d+)\.safetensors")
        for info in storage.list_files(folder, recursive=False):
            found = pattern.fullmatch(info.base_name)
            if found and int(found[1]) not in self.held:
                storage.delete(storage.uri_of(folder, info))
