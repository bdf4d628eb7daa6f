"""The `raysep` command. Heavy imports happen inside the commands, so that `--help` answers at once."""

from __future__ import annotations

import inspect
import os
import sys
from typing import Annotated

import typer

from raysep import __version__

EXAMPLE = "\n\nExample:\n\n\b\n    "

app = typer.Typer(
    name="raysep",
    help="Find the wrong stems in music source separation training data without knowing the kind of fault, decide how "
    "many to remove without retraining, retrain, and prove with intervals that the separator got better."
    + EXAMPLE
    + "raysep clean CORPUS --reference REF --out runs/first",
    no_args_is_help=True,
    add_completion=False,
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


def command(target: typer.Typer, name: str, example: str, **settings):
    """Register a command whose help ends in an example; ``settings`` are those of its parser."""

    def register(function):
        function.__doc__ = f"{inspect.cleandoc(function.__doc__)}{EXAMPLE}{example}"
        return target.command(name, context_settings=settings)(function)

    return register


Workers = Annotated[int | None, typer.Option(min=1, help="Most processes at once (default: as many as fit).")]
Seed = Annotated[int, typer.Option(min=0, help="Everything random follows from it.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
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
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    if debug:
        os.environ["RAYSEP_DEBUG"] = "1"


@command(app, "demo", "raysep demo --out runs/demo")
def demo(
    out: Annotated[str, typer.Option(help="Run folder; the songs go to its corpus/ folder.")] = "runs/demo",
    seed: Seed = 1,
    settings: Settings = None,
    address: Address = None,
    quiet: Quiet = False,
) -> None:
    """Make songs, spoil half of their stems, clean them, retrain, and print what it brought: minutes on two cores."""
    from raysep import demo as demonstration

    demonstration.demo(out, seed=seed, overrides=_overrides(None, settings), address=address, quiet=quiet)


@command(app, "clean", "raysep clean s3://music/corpus --reference s3://music/trusted --out s3://music/runs/first")
def clean(
    corpus: Annotated[
        str, typer.Argument(help="MUSDB18-HQ folders (track/vocals.wav …), local or s3://, or a manifest.")
    ],
    reference: Annotated[str, typer.Option(help="Trusted clean tracks, none of them in the corpus.")],
    out: Annotated[str, typer.Option(help="Run folder, local or s3://. The same command continues a killed run.")],
    test: Annotated[str | None, typer.Option(help="Clean tracks to evaluate on (default: the reference).")] = None,
    preset: Preset = "auto",
    config: ConfigFile = None,
    settings: Settings = None,
    search: Annotated[bool, typer.Option("--search", help="Also search the ratio by retraining (Ray Tune).")] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Score again what failed before.")] = False,
    workers: Workers = None,
    address: Address = None,
    quiet: Quiet = False,
) -> None:
    """Find the wrong stems of a corpus, write a cleaned manifest, retrain, and compare before with after.

    Writes decision.parquet (a row per stem), cleaned.parquet (the stems kept), results.parquet, summary.json and
    report.html into the run folder. Exit code 3: all done, but some stems could not be read (failed.parquet).
    """
    from raysep import pipeline

    request = pipeline.Request(
        corpus=corpus,
        reference=reference,
        out=out,
        test=test,
        preset=preset,
        overrides=_overrides(config, settings),
        search=search,
        workers=workers,
        retry_failed=retry_failed,
        address=address,
        quiet=quiet,
    )
    pipeline.clean(request)


@command(app, "scan", "raysep scan CORPUS --out manifest.parquet")
def scan(
    corpus: Annotated[str, typer.Argument(help="MUSDB18-HQ folders (track/vocals.wav …), local or s3://.")],
    out: Annotated[str, typer.Option(help="The manifest to write (Parquet), local or s3://.")],
    split: Annotated[str, typer.Option(help="Written into the manifest's split column.")] = "train",
) -> None:
    """List a corpus: one row per stem with its address, rate, channels, length and content tag."""
    from raysep.config import LABELS
    from raysep.corpus import layouts, manifest, storage

    stems = layouts.scan(storage.absolute(corpus), LABELS, split=split).stems
    manifest.write(storage.absolute(out), stems)
    hours = sum(s.frames / s.sample_rate for s in stems) / 3600
    print(f"{len(stems)} stems of {len(manifest.tracks_of(stems))} tracks, {hours:.2f} h of audio: {out}")


@command(app, "synth", "raysep synth songs --songs 20 --seconds 12 --sample-rate 16000 --seed 1")
def synth(
    out: Annotated[str, typer.Argument(help="Folder to write; one folder per song, as MUSDB18-HQ.")],
    songs: Annotated[int, typer.Option(min=1, help="How many songs.")] = 20,
    seconds: Annotated[float, typer.Option(min=6, help="Length of each.")] = 24.0,
    sample_rate: Annotated[int, typer.Option(min=8000, max=192000, help="Hz.")] = 44100,
    seed: Seed = 0,
    prefix: Annotated[str, typer.Option(help="Song names begin with it.")] = "song",
    font: Annotated[str | None, typer.Option(help="Another sound font (.sf2, .sf3).")] = None,
    workers: Workers = None,
    quiet: Quiet = False,
) -> None:
    """Compose and render four-stem songs from sampled instruments and a sung voice; the same songs for the same seed."""
    from raysep.corpus.songs.synthesis import synthesise
    from raysep.stages.context import Progress

    with Progress(quiet).bar("songs") as advance:
        synthesise(out, songs, seconds, sample_rate, seed, workers=workers, progress=advance, prefix=prefix, font=font)
    print(f"{songs} songs of {seconds:g} s at {sample_rate} Hz: {out}")


@command(app, "contaminate", "raysep contaminate songs --out spoilt --share 0.4 --seed 1")
def contaminate(
    corpus: Annotated[str, typer.Argument(help="Clean corpus in MUSDB18-HQ folders.")],
    out: Annotated[str, typer.Option(help="Folder of the contaminated copy.")],
    share: Annotated[float, typer.Option(min=0, max=1, help="Share of stems to corrupt.")] = 0.4,
    seed: Seed = 0,
    kind: Annotated[
        list[str] | None, typer.Option(help="Only this kind of fault (default: all ten). Repeatable.")
    ] = None,
    truth: Annotated[str | None, typer.Option(help="Truth table (default: OUT-truth.parquet).")] = None,
    workers: Workers = None,
    quiet: Quiet = False,
) -> None:
    """Copy a corpus with faults of known kinds in it; what was done goes to a truth table outside the copy."""
    from raysep.corpus import contamination
    from raysep.stages.context import Progress

    truth = truth or out.rstrip("/") + "-truth.parquet"
    kinds = tuple(kind) if kind else contamination.KINDS
    with Progress(quiet).bar("contaminate") as advance:
        contamination.contaminate(corpus, out, truth, share, seed, kinds=kinds, workers=workers, progress=advance)
    print(f"contaminated copy: {out}\ntruth table: {truth}")


@command(app, "train", "raysep train runs/first/cleaned.parquet --out runs/separator --test MUSDB18-HQ")
def train(
    corpus: Annotated[str, typer.Argument(help="Folders as for clean, or a manifest such as a run's cleaned.parquet.")],
    out: Annotated[str, typer.Option(help="Run folder, local or s3://. The same command continues a killed run.")],
    test: Annotated[str | None, typer.Option(help="Tracks to evaluate on.")] = None,
    decision: Annotated[
        str | None, typer.Option(help="A decision.parquet: its weights become sampling weights.")
    ] = None,
    preset: Preset = "auto",
    config: ConfigFile = None,
    settings: Settings = None,
    address: Address = None,
    quiet: Quiet = False,
) -> None:
    """Train one separator by Ray Train, resumable; the checkpoint is checkpoints/separator-seed0.safetensors."""
    from raysep import pipeline

    overrides = _overrides(config, settings)
    request = pipeline.Request(
        corpus=corpus,
        reference=None,
        out=out,
        test=test,
        preset=preset,
        overrides=overrides,
        address=address,
        quiet=quiet,
    )
    run = pipeline.train(request, decision)
    print(f"trained: {run.path('checkpoints')}")


@command(app, "decide", "raysep decide runs/first --rule ratio --ratio 0.3 --probe fad --out ratio30.parquet")
def decide(
    run: Annotated[str, typer.Argument(help="A run that has been scored.")],
    out: Annotated[str, typer.Option(help="The decision table to write (Parquet).")],
    rule: Annotated[
        str | None, typer.Option(help="threshold, fdr or ratio (default, here and below: the run's own).")
    ] = None,
    threshold: Annotated[float | None, typer.Option(help="Remove when P(corrupt) is above.")] = None,
    fdr: Annotated[float | None, typer.Option(help="Share of clean stems accepted among the removed.")] = None,
    ratio: Annotated[float | None, typer.Option(help="Share of each label's stems to remove.")] = None,
    probe: Annotated[str | None, typer.Option(help="What a ratio ranks by: fused, or any probe.")] = None,
) -> None:
    """Decide again from stored scores: another rule, ratio or probe, and no audio is touched."""
    from raysep.rundir import existing
    from raysep.stages import decide as stage

    given = {"rule": rule, "threshold": threshold, "fdr": fdr, "ratio": ratio, "probe": probe}
    settings = {name: value for name, value in given.items() if value is not None}
    removed, total = stage.decide_again(existing(run, "stems.parquet"), settings, out)
    print(f"{removed} of {total} stems removed: {out}")


@command(app, "status", "raysep status runs/first")
def status(run: Annotated[str, typer.Argument(help="Run folder, local or s3://.")]) -> None:
    """What a run has done so far, read from its folder alone: works while it runs and after the cluster is gone."""
    from raysep.rundir import existing
    from raysep.stages import report

    report.print_status(existing(run))


@command(app, "report", "raysep report runs/first")
def report(run: Annotated[str, typer.Argument(help="A finished run's folder.")]) -> None:
    """Print a finished run's table and write its report.html again."""
    from raysep.rundir import existing
    from raysep.stages import report as stage

    stage.again(existing(run, "summary.json", "results.parquet"))


@command(app, "config", "raysep config --preset tiny > my.yaml")
def config(preset: Annotated[str, typer.Option(help="smallest, tiny, small or full.")] = "full") -> None:
    """Print every setting of a preset as YAML, to be edited and given back with --config."""
    import yaml

    from raysep import config as settings

    print(yaml.safe_dump(settings.to_dict(settings.preset(preset)), sort_keys=False), end="")


@command(
    app,
    "submit",
    "raysep submit --address http://127.0.0.1:8265 clean CORPUS --reference REF --out RUN",
    allow_interspersed_args=False,  # what follows the job's name belongs to the job
)
def submit(
    job: Annotated[str, typer.Argument(help="A module of jobs/: clean or train.")],
    arguments: Annotated[list[str], typer.Argument(help="Its own arguments, as on the command line.")],
    address: Annotated[
        str, typer.Option(envvar="RAY_API_SERVER_ADDRESS", help="The cluster's dashboard.")
    ] = "http://127.0.0.1:8265",
    submission_id: Annotated[
        str | None, typer.Option(help="Unique on the cluster: guards against submitting twice.")
    ] = None,
    wait: Annotated[bool, typer.Option(help="Follow the job to its end.")] = True,
) -> None:
    """Run a job on a Ray cluster by Ray Jobs; storage credentials travel from this shell's environment."""
    from raysep.cluster import submit as jobs
    from raysep.errors import BadInput, RaysepError

    if arguments and arguments[0] == "--":  # as Ray's own command line writes it
        arguments = arguments[1:]
    if job not in ("clean", "train"):
        raise BadInput(f"{job}: there is no such job; choose clean or train")
    identity = jobs.submit(address, [f"jobs.{job}", *arguments], submission_id)
    print(f"submitted {identity} to {address}")
    if wait:
        details = jobs.follow(address, identity, lambda text: print(text, end="", flush=True))
        print(f"{identity}: {details.status.value}")
        if details.status.value != "SUCCEEDED":
            raise RaysepError(f"{identity}: ended as {details.status.value} ({details.message})")


@command(benchmark_app, "corpus", "raysep benchmark corpus bench --size tiny")
def benchmark_corpus(
    out: Annotated[str, typer.Argument(help="Folder to write: clean/, train/, reference/, test/ and truth.parquet.")],
    size: Annotated[str, typer.Option(help="tiny or small.")] = "tiny",
    seed: Seed = 1,
    workers: Workers = None,
    quiet: Quiet = False,
) -> None:
    """Render and contaminate the benchmark's corpora."""
    from raysep.corpus import sizes
    from raysep.errors import BadInput
    from raysep.stages.context import Progress

    if size not in sizes.BENCHMARKS:
        raise BadInput(f"--size {size}: there is no such size; choose one of {', '.join(sizes.BENCHMARKS)}")
    with Progress(quiet).bar("corpus") as advance:
        sizes.make_corpus(out, size, seed=seed, workers=workers, progress=advance)
    print(f"{size} corpus: {out}")


@command(benchmark_app, "detection", "raysep benchmark detection runs/first spoilt-truth.parquet")
def benchmark_detection(
    run: Annotated[str, typer.Argument(help="A finished run's folder.")],
    truth: Annotated[str, typer.Argument(help="The truth table that `raysep contaminate` wrote.")],
) -> None:
    """How well the suspicion of a run finds the stems that are known to be wrong: AUROC by kind, label and probe."""
    from raysep.rundir import existing
    from raysep.stages import judge

    judge.print_detection(existing(run, "decision.parquet", "stems.parquet"), truth)


def _overrides(config: str | None, assignments: list[str] | None) -> dict:
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
    return overrides


def main() -> None:
    """Entry point: a ``RaysepError`` becomes one line and its exit code."""
    from raysep.errors import RaysepError

    try:
        app(standalone_mode=True)
    except RaysepError as error:
        if os.environ.get("RAYSEP_DEBUG"):
            raise
        print(f"raysep: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except SystemExit as end:
        if end.code == 130:  # how typer ends on Ctrl-C
            print("raysep: stopped; the same command goes on where this one ended", file=sys.stderr)
        raise


if __name__ == "__main__":
    main()
