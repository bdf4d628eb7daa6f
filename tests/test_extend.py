"""docs/extend.md: its five files, written outside the package, each by itself, and all of them in one run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from raysep import rundir
from raysep.corpus import manifest
from raysep.corpus.layouts import LABELS, stems_of
from raysep.corpus.mixing import ReferenceBank
from raysep.decision.handling import use
from raysep.errors import BadInput
from raysep.imports import load
from raysep.probes.catalogue import probes_of
from raysep.probes.embedders import registry as embedders
from raysep.probes.embedders.base import audible_frames
from raysep.probes.likeness import LIKENESSES
from raysep.probes.scoring import ScoringKit, ScoringOptions, score_track
from raysep.probes.seconds import BY_SECOND
from raysep.rundir import Run
from raysep.separators import checkpoint, registry
from raysep.training.network import network_arguments

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "extend.md").read_text()
RATE = 8000
FILES = ("my_probes", "my_embedder", "my_network", "my_layout", "my_handling")


@pytest.fixture
def mine(own_module, own_files):
    """All files of the page, importable."""
    for name, text in own_files.items():
        own_module(name.removesuffix(".py"), text)
    yield
    probes_of.cache_clear()


def write_dashed(folder: Path, tracks: dict[str, dict[str, np.ndarray]]) -> str:
    """Tracks, label → ``(time, channel)``, as the page's layout reads them."""
    folder.mkdir()
    for track, stems in tracks.items():
        for label, audio in stems.items():
            soundfile.write(folder / f"{label} - {track}.flac", audio, RATE)
    return str(folder)


def song(seed: int, seconds: float = 2.0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {label: 0.1 * rng.standard_normal((round(seconds * RATE), 1)) for label in LABELS}


def small_masks(**more):
    torch.manual_seed(0)
    return registry.build("my_network:Masks", **{"sample_rate": RATE, "channels": 1, "n_fft": 256, "hop": 64} | more)


def test_the_page_shows_five_files_and_names_each_in_a_command(own_files):
    assert sorted(own_files) == sorted(f"{name}.py" for name in FILES)
    for name, text in own_files.items():
        assert 10 <= len(text.splitlines()) <= 45
        assert re.search(rf"^raysep .*{name.removesuffix('.py')}:", PAGE, re.MULTILINE)


def test_the_layout_finds_the_stems(mine, tmp_path):
    place = write_dashed(tmp_path / "takes", {"A": song(1), "B": song(2)})
    found = stems_of(place, layout="my_layout:Dashed").stems
    assert [stem.stem_id for stem in found] == [f"{track}/{label}" for track in "AB" for label in sorted(LABELS)]
    assert {(stem.frames, stem.sample_rate) for stem in found} == {(2 * RATE, RATE)}


def test_the_network_separates_trains_and_comes_back_from_a_checkpoint(mine):
    network = small_masks()
    mixture = torch.randn(2, 1, RATE, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(network.separate(mixture).sum(dim=1), mixture)  # its shares
    magnitudes = network(mixture)
    assert magnitudes.shape[:3] == (2, 4, 1)
    assert (magnitudes >= 0).all()
    magnitudes.sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in network.parameters())
    name, arguments = registry.describe(network)
    assert name == "my_network:Masks"
    data = checkpoint.to_bytes(checkpoint.Checkpoint(name, arguments, dict(network.state_dict())))
    again = checkpoint.network_of(checkpoint.from_bytes(data, "there"))
    assert torch.equal(again.separate(mixture), network.separate(mixture))


def test_the_networks_arguments_are_checked_before_any_work(mine, make_context):
    config = make_context(network={"model": "my_network:Masks", "arguments": {"width": 16}}).config
    arguments = network_arguments(config, RATE, 1)
    assert (arguments["width"], arguments["sample_rate"], set(arguments) & {"hidden", "layers"}) == (16, RATE, set())
    config = make_context(network={"model": "my_network:Masks", "arguments": {"wide": 16}}).config
    with pytest.raises(BadInput, match=r"my_network:Masks takes no wide, but stems, .*width"):
        network_arguments(config, RATE, 1)


def test_the_embedder_embeds_what_is_audible_and_is_the_same_in_every_worker(mine):
    embedder, again = (embedders.build("my_embedder:Bands", RATE) for _ in range(2))
    audio = np.concatenate([song(1)["bass"].T, np.zeros((1, 2 * RATE))], axis=1).astype(np.float32)
    frames = audible_frames(embedder, audio, RATE)
    assert frames.shape == (4, 32)  # 0, 0.5, 1 and 1.5 s; the rest is silent
    assert np.array_equal(frames, audible_frames(again, audio, RATE))


def test_the_probes_score_beside_ours_with_the_network(mine):
    own = ("my_probes:MEMORISED", "my_probes:WIDTH")
    bank = ReferenceBank(LABELS, {k: song(5)[k].T[None, :, :RATE].astype(np.float32) for k in LABELS})
    networks = {"final": small_masks(), "early": small_masks(width=8)}
    kit = ScoringKit(networks, bank, ScoringOptions(RATE, RATE, batch=4, probes=own))
    rows = score_track(kit, {k: v.T.astype(np.float32) for k, v in song(6).items()}, "judged")
    assert all(np.isfinite([row["memorised"], row["loss"], row["self-consistency"]]).all() for row in rows)
    assert {row["width"] for row in rows} == {0.0}  # mono


def test_the_handling_draws_what_is_doubtful_half_as_often(mine, make_stems):
    stems = make_stems(["A"])
    rows = {s.stem_id: {"keep": k > 0, "p_corrupt": [0.9, 0.3, 0.1, None][k]} for k, s in enumerate(stems)}
    entries = use("my_handling:GENTLE", rows, stems)
    assert [(entry.stem, entry.weight) for entry in entries] == list(zip(stems[1:], (0.5, 1.0, 1.0), strict=True))


def test_what_the_page_says_of_the_inside_is_there():
    rows = re.findall(r"^\| (\w+) \| `(raysep/[\w/]+/)` \| `(\w+)` in (?:its )?`([\w.]+)`", PAGE, re.MULTILINE)
    assert {kind for kind, *_ in rows} == {"layout", "handling", "embedder", "separator"}
    for _, folder, name, file in rows:
        module = f"{folder}{file}".removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        assert all(path.startswith(folder.replace("/", ".")) for path in load(f"{module}:{name}").values())


@pytest.mark.train
@pytest.mark.long
def test_one_run_with_all_five_by_their_import_paths(corpora, own_files, tmp_path):
    """As a person runs it: the command, in a process that finds the folder on ``PYTHONPATH``, and its own Ray."""
    (tmp_path / "own").mkdir()
    for name, text in own_files.items():
        (tmp_path / "own" / name).write_text(text)
    tracks: dict[str, dict[str, np.ndarray]] = {}
    for stem in stems_of(corpora.corpus).stems:
        tracks.setdefault(stem.track, {})[stem.stem] = soundfile.read(stem.uri, always_2d=True)[0]
    words = ["clean", write_dashed(tmp_path / "takes", tracks), "--reference", corpora.reference, "--out", "run"]
    words += ["--layout", "my_layout:Dashed", "--preset", "smallest", "-q"]
    for setting in (
        "network.model=my_network:Masks",
        "network.arguments={width: 16}",
        "scoring.embedder=my_embedder:Bands",
        "scoring.probes=[my_probes:MEMORISED,my_probes:WIDTH]",
        "decision.handling=my_handling:GENTLE",
    ):
        words += ["--set", setting]
    path = os.pathsep.join([str(tmp_path / "own"), str(ROOT)])
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"} | {"PYTHONPATH": path}
    command = [sys.executable, "-m", "raysep", *words]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr

    run = Run(str(tmp_path / "run"))
    stems = manifest.read(run.path("manifest.parquet"))
    assert {Path(stem.uri).name for stem in stems} == {f"{s.stem} - {s.track}.flac" for s in stems}
    assert len(stems) == 4 * len(tracks)
    told = {*LIKENESSES, *BY_SECOND}  # beside the probes
    probes = [name for name in rundir.read_scores(run).column_names if name not in told]
    assert probes[-2:] == ["memorised", "width"]
    values = run.read_table("stems.parquet")
    read = {name: np.isfinite(values[name].to_numpy()) for name in ("memorised", "width", "own-loss", "fad-z")}
    assert read["own-loss"].mean() > 0.9  # some are silent
    assert np.array_equal(read["memorised"], read["own-loss"])
    assert np.array_equal(read["width"], read["fad-z"])
    made = run.read_json("kit", "made.json")
    assert made["embedder"] == {"name": "bands", "weights_digest": "bands-1"}
    record = run.read_json("run.json")
    assert record["config"]["scoring"]["embedder"] == "my_embedder:Bands"
    assert record["stages"]["decide"]["handling"].startswith("gentle: what is not kept is left out")
    assert "what is doubtful is drawn half as often" in run.read_bytes("report.html").decode()
    kept = checkpoint.from_bytes(run.read_bytes("checkpoints", "probe-final.safetensors"), "probe-final")
    assert (kept.model, kept.arguments["width"]) == ("my_network:Masks", 16)
    assert {row["arm"] for row in run.read_table("results.parquet").to_pylist()} == {"contaminated", "cleaned"}
