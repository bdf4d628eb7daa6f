"""List a corpus, make one, spoil one."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from raysep.commands.app import Labels, Layout, Limit, Overwrite, Processes, Quiet, Seed, app, command


@command(app, "scan", "raysep scan CORPUS --out manifest.parquet")
def scan(
    corpus: Annotated[str, typer.Argument(help="MUSDB18-HQ folders (track/vocals.wav …), local or s3://.")],
    out: Annotated[str, typer.Option(help="The manifest to write (Parquet), local or s3://.")],
    split: Annotated[
        str | None,
        typer.Option(help="Which of its split folders; written into the manifest's split column (default: train)."),
    ] = None,
    labels: Labels = None,
    layout: Layout = None,
    limit: Limit = None,
    overwrite: Overwrite = False,
) -> None:
    """List a corpus: one row per stem with its address, rate, channels, length and content tag.

    A manifest that is there already is brought up to date: only files that are new or have changed are read.
    """
    from raysep.corpus import identity, manifest, outputs, storage
    from raysep.corpus.inputs import mixed_down
    from raysep.corpus.labels import parse
    from raysep.corpus.layouts import stems_of
    from raysep.corpus.tables import PARQUET, made_by
    from raysep.screen import Progress

    to = outputs.try_file(out, "--out", (PARQUET,), overwrite=overwrite, ours=lambda uri: made_by(uri) == "scan")
    wanted, place, say = parse(labels) if labels else None, storage.absolute(corpus), Progress().say
    names, sums = (wanted.names, wanted.sums) if wanted else (None, None)
    known = identity.known_by(to) if made_by(to) == "scan" else []
    more: dict[str, Any] = {"layout": layout, "say": say, "known": known, "limit": limit}
    stems = stems_of(place, names, sums=sums, asked_split=split, **more).stems
    manifest.write(to, stems, by="scan")
    hours = sum(s.frames / s.sample_rate for s in stems) / 3600
    if told := mixed_down(stems):
        print(told)
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
    variety: Annotated[
        str, typer.Option(help="Of the sounds: plain (the font's own) or wide (every part another; the benchmarks').")
    ] = "plain",
    workers: Processes = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Compose and render four-stem songs from sampled instruments and a sung voice; the same songs for the same seed."""
    from raysep.corpus.songs.synthesis import synthesise
    from raysep.screen import Progress

    with Progress(quiet).bar("songs") as advance:
        synthesise(
            out,
            songs,
            seconds,
            sample_rate,
            seed,
            workers=workers,
            progress=advance,
            prefix=prefix,
            font=font,
            overwrite=overwrite,
            variety=variety,
        )
    print(f"{songs} songs of {seconds:g} s at {sample_rate} Hz: {out}")


@command(app, "contaminate", "raysep contaminate songs --out spoilt --share 0.4 --seed 1")
def contaminate(
    corpus: Annotated[str, typer.Argument(help="Clean corpus in MUSDB18-HQ folders.")],
    out: Annotated[str, typer.Option(help="Folder of the contaminated copy.")],
    condition: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Faults by name: label-noise, bleeding (as the SDX'23 data sets), mixed (as the paper) or ten-kinds "
            "(default: all ten kinds at every severity, in 0.4 of the stems).",
        ),
    ] = None,
    share: Annotated[
        float | None, typer.Option(min=0, max=1, help="Share of stems to corrupt (default: the condition's, else 0.4).")
    ] = None,
    seed: Seed = 0,
    kind: Annotated[
        list[str] | None,
        typer.Option(
            help="Only this kind of fault (default: the condition's, else all ten): swap, merge, bleed-one, bleed-all, "
            "clip, noise, lowpass, dropout, codec or delay. Repeatable."
        ),
    ] = None,
    severity: Annotated[
        list[str] | None,
        typer.Option(
            help="Only this severity: mild, medium or strong (default: the condition's, else all). Repeatable."
        ),
    ] = None,
    truth: Annotated[str | None, typer.Option(help="Truth table (default: OUT-truth.parquet).")] = None,
    workers: Processes = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Copy a corpus with faults of known kinds in it; what was done goes to a truth table outside the copy."""
    import json

    from raysep.corpus import conditions, contamination, outputs, storage
    from raysep.screen import Progress

    chosen = conditions.condition(condition or conditions.TEN_KINDS)
    kinds = tuple(kind) if kind else chosen.kinds
    severities = tuple(severity) if severity else chosen.severities
    if share is None:
        share = chosen.share if condition else 0.4
    truth = truth or out.rstrip("/") + "-truth.parquet"
    note = truth.removesuffix(".parquet") + ".json"
    outputs.try_file(note, "--truth", overwrite=overwrite, ours=conditions.is_note)
    progress = Progress(quiet)
    with progress.bar("contaminate") as advance:
        contamination.contaminate(
            corpus,
            out,
            truth,
            share,
            seed,
            kinds=kinds,
            severities=severities,
            workers=workers,
            progress=advance,
            say=progress.say,
            overwrite=overwrite,
        )
    # A condition that was changed is not the one of that name.
    same = (kinds, severities, share) == (chosen.kinds, chosen.severities, chosen.share)
    name = (condition or conditions.TEN_KINDS) if same else None
    about = conditions.note(name, kinds, severities, share, seed)
    storage.write_bytes(storage.absolute(note), json.dumps(about, indent=2).encode() + b"\n")
    print(f"contaminated copy: {out}\ntruth table: {truth}\nnote: {note}")
