"""What Ray Train's controller, which runs a group of workers, tells the group's board."""

from __future__ import annotations

from typing import Any

import ray
import ray.train
from ray.actor import ActorHandle
from ray.train.v2._internal.execution.callback import ControllerCallback  # the public one is not told that it begins


def tell(board: ActorHandle) -> list[Any]:
    """All that a board is told of."""
    return [Begins(board), Stops(board)]


class Begins(ControllerCallback):
    """Hands the board whoever runs the group: who ends that ends its workers, and what they hold."""

    def __init__(self, board: ActorHandle) -> None:
        self.board: Any = board

    def after_controller_start(self, train_run_context: Any) -> None:
        self.board.led.remote(ray.get_runtime_context().current_actor)


class Stops(ray.train.UserCallback):
    """Notes on the board that a group is down: until its successor runs, that waits for room."""

    def __init__(self, board: ActorHandle) -> None:
        self.board: Any = board

    def after_exception(self, run_context: Any, worker_exceptions: dict[int, Exception]) -> None:
        self.board.run.remote(False)
