"""Ray Train's trainer, made to end when it is told to, from whichever thread it was started.

Ray's own waits for the actor that runs its workers, however long that takes. This one looks up now and then, and takes the actor
down when it is over: with the actor die its workers, which are its own. What it has reserved is given back here: Ray would
keep that for as long as the driver lives where the actor was killed while it waited for room.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, cast

import ray
import ray._private.state  # the only way to who has reserved what
from ray.actor import ActorHandle
from ray.core.generated import gcs_pb2
from ray.exceptions import RayError
from ray.train.torch import TorchTrainer
from ray.train.v2._internal.constants import get_env_vars_to_propagate
from ray.train.v2._internal.execution.controller import TrainController
from ray.util.placement_group import PlacementGroup, remove_placement_group

from raysep.cluster import capacity

LOOK = 0.2  # seconds between two looks whether it is over
DYING = 1.0  # seconds that the actor is given to be gone once it was killed


class Ended(Exception):
    """A training was told to end, and has ended."""


class Trainer(TorchTrainer):
    """Trains until ``is_over`` says so, and then raises ``Ended``. How Ctrl-C ends a command it leaves to the command.

    Ray's own handler of Ctrl-C would stay when the training is over, wait, and exit with 0 or 1.
    """

    def __init__(self, *arguments: Any, is_over: Callable[[], bool] = lambda: False, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.is_over = is_over

    def _initialize_and_run_controller(self, **parts: Any) -> Any:
        """What ``fit`` calls with all that the controller is made of: the result of its run."""
        options: dict[str, Any] = {
            "num_cpus": 0,
            "scheduling_strategy": capacity.here(),
            "runtime_env": {"env_vars": get_env_vars_to_propagate()},
        }
        controller: Any = ray.remote(**options)(TrainController).remote(**parts)
        run = controller.run.remote()
        try:
            while not ray.wait([run], timeout=LOOK)[0]:
                if self.is_over():
                    raise Ended
            ray.get(run)
            return ray.get(controller.get_result.remote())
        except (Ended, KeyboardInterrupt):
            _take_down(controller, run)
            raise


def _take_down(controller: ActorHandle, run: Any) -> None:
    """End the actor, its workers with it, and give back what it has reserved or waits for."""
    with contextlib.suppress(RayError, RuntimeError):  # the runtime goes down itself, and with it all that is there
        ray.kill(controller)
        ray.wait([run], timeout=DYING)
        for place in _places_of(controller):
            remove_placement_group(place)


def _places_of(actor: ActorHandle) -> list[PlacementGroup]:
    """The placement groups that an actor has made, be there room for them or not."""
    accessor, message = ray._private.state.state._connect_and_get_accessor(), cast(Any, gcs_pb2).PlacementGroupTableData
    noted = [message.FromString(each) for each in accessor.get_placement_group_table()]
    own = [each.placement_group_id for each in noted if each.creator_actor_id == actor._actor_id.binary()]
    return [PlacementGroup(ray.PlacementGroupID(number)) for number in own]
