"""The `raysep` command itself, and the options that several subcommands share."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from typing import Annotated, Any, ParamSpec, TypeVar

import typer
from typer.core import TyperCommand

from raysep.version import __version__

P = ParamSpec("P")
R = TypeVar("R")
EXAMPLE = "\n\nExample:\n\n\b\n    "

app = typer.Typer(
    name="raysep",
    help="Find the wrong stems in music source separation training data without knowing the kind of fault, decide how "
    "many to remove without retraining, retrain, and prove with intervals that the separator got better."
    + EXAMPLE
    + "raysep clean CORPUS --reference REF --out runs/first",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
benchmark_app = typer.Typer(
    help="Make the benchmark's corpora and judge a run against known truth."
    + EXAMPLE
    + "raysep benchmark detection runs/first corpus-truth.parquet",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(benchmark_app, name="benchmark")


class _Command(TyperCommand):
    """A command that takes no empty words: of ``--reference "$REF"`` without such a variable nothing else would be left."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        left = super().parse_args(ctx, args)
        param: Any  # typer's own, which has another type than the one that it raises
        for param in self.params:
            given = ctx.params.get(param.name or "")
            words = given if isinstance(given, list | tuple) else [given]
            if "" in words and param.get_default(ctx) != "":
                raise typer.BadParameter("it is empty: give a value, or leave it out", ctx=ctx, param=param)
        return left


def command(
    target: typer.Typer, name: str, example: str, **settings: Any
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Register a command whose help ends in an example; ``settings`` are those of its parser."""

    def register(function: Callable[P, R]) -> Callable[P, R]:
        assert function.__doc__, "the help of a command is its docstring"
        function.__doc__ = f"{inspect.cleandoc(function.__doc__)}{EXAMPLE}{example}"
        return target.command(name, cls=_Command, context_settings=settings)(function)

    return register


def workers_of(given: str | None) -> int | str | None:
    """``--workers`` as it is handed on, looked at first."""
    from raysep.resources import pool_size

    pool_size(given)
    return int(given) if given and given.isdigit() else given


Processes = Annotated[int | None, typer.Option(min=1, help="Most processes at once (default: as many as fit).")]
Workers = Annotated[
    str | None,
    typer.Option(
        metavar="N|MIN:MAX",
        callback=workers_of,
        help="Most workers of a pool, or the least and the most (default: 1 and as many as the cluster may hold).",
    ),
]
Seed = Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Everything random follows from it.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress; what was found is printed all the same.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead; docs/json.md says what is in it.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there, whoever made it.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Change one setting, for example training.steps=800. Repeatable."),
]
ConfigFile = Annotated[
    str | None, typer.Option("--config", metavar="FILE", help="Settings in YAML; see `raysep config`.")
]
Preset = Annotated[str, typer.Option(help="smallest, tiny, small or full; auto chooses by the length of the corpus.")]
Address = Annotated[
    str | None,
    typer.Option(help="Ray cluster to use (default: RAY_ADDRESS, else a runtime on this machine)."),
]
Layout = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="How folders are laid out: see docs/layouts.md, or package.module:Class of your own (default: as found).",
    ),
]
Labels = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES",
        help="The stems, with commas between; guitar+piano=other sums two into one (default: as in the settings).",
    ),
]

Limit = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="N", help="Only the corpus's first N tracks, in the order of their names: for a trial."
    ),
]

AllowTwins = Annotated[
    bool,
    typer.Option(
        "--allow-twins", help="Go on although a song of the corpus is in the reference or the test tracks, too."
    ),
]


def _print_version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def main_options(
    # Eager: answered before the missing subcommand is noticed.
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and end.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error, and what Ray says about itself.")
    ] = False,
) -> None:
    if debug:
        os.environ["RAYSEP_DEBUG"] = "1"


def print_json(value: Any) -> None:
    """On standard output, and nothing beside it; numbers that JSON has no form for are null."""
    import json

    from raysep.corpus.tables import finite

    print(json.dumps(finite(value), indent=2, ensure_ascii=False))


def names_of(text: str | None) -> tuple[str, ...] | None:
    """Names with commas between; None when they are not given."""
    return tuple(name.strip() for name in text.split(",")) if text else None


def overrides_of(config: str | None, assignments: list[str] | None, **named: Any) -> dict:
    """The settings of a file, those of ``--set`` over them, and over both those that have an option of their own."""
    from raysep import config as settings
    from raysep.corpus import storage
    from raysep.errors import BadInput

    overrides: dict = {}
    if config:
        try:
            overrides = settings.read_yaml(storage.read_bytes(storage.absolute(config)).decode(), config)
        except FileNotFoundError:
            raise BadInput(f"--config {config}: no such file; `raysep config > {config}` writes one") from None
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(f"--config {config}: not a text file ({error}); `raysep config` shows the form") from None
    for text in assignments or []:
        overrides = settings.merge(overrides, settings.parse_assignment(text))
    return overrides | {name: value for name, value in named.items() if value is not None}
