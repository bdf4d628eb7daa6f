"""What Ray Train's controller, which runs a group of workers, tells the group's board."""

from __future__ import annotations

from typing import Any

import ray.train
from ray.actor import ActorHandle


class Stops(ray.train.UserCallback):
    """Notes on the board that a group is down: until its successor runs, that waits for room."""

    def __init__(self, board: ActorHandle) -> None:
        self.board: Any = board

    def after_exception(self, run_context: Any, worker_exceptions: dict[int, Exception]) -> None:
        self.board.run.remote(False)
