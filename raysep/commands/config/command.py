"""What can be set, what it means, and what a preset makes of it."""

from __future__ import annotations

from typing import Annotated

import typer

from raysep.commands.app import app, command


@command(app, "config", "raysep config --preset tiny > my.yaml")
def config(
    name: Annotated[
        str | None, typer.Argument(help="Explain this setting or section instead, for example training.steps.")
    ] = None,
    preset: Annotated[str, typer.Option(help="smallest, tiny, small or full.")] = "full",
) -> None:
    """Print every setting of a preset as YAML, to be edited and given back with --config.

    Above each stands what it means and what it may be.
    """
    from raysep import config as settings
    from raysep.commands.config import described

    if name is None:
        print(described.as_yaml(settings.preset(preset)), end="")
    else:
        print("\n\n".join(described.explained(setting) for setting in described.named(name)))
