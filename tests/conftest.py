"""What the whole test session shares: an object store on loopback, one Ray runtime, one small corpus of real songs."""

from __future__ import annotations

import os

# Before numpy and torch are imported, which read it once. Small networks gain nothing from a second thread, and on a
# busy machine waiting for it costs them twentyfold.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("RAY_AUTH_MODE", "disabled")  # otherwise Ray leaves a token in the home folder
os.environ.setdefault("RAY_memory_usage_threshold", "0.98")
os.environ.setdefault("RAYSEP_STORAGE_PATIENCE", "5")  # a store that a test has shut down is not waited for
os.environ.setdefault("RAY_worker_niceness", "0")  # else what another test process computes starves Ray's workers

import contextlib
import gc
import io
import re
import sys
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import soundfile
import typer.main
from hypothesis import settings as profiles

from raysep import config as settings
from raysep.corpus.manifest import Stem
from raysep.errors import StorageError
from raysep.resources import Resources
from raysep.rundir import Run
from raysep.screen import Progress
from raysep.stages.context import Context
from tests import groups
from tests.made_once import made_once_in

ROOT = Path(__file__).resolve().parents[1]

# A busy machine is no reason to fail.
profiles.register_profile("raysep", deadline=None)
profiles.load_profile("raysep")

# The parser of the command line takes a tenth of a second to build, and every call of hundreds would build it anew.
typer.main.get_command = cache(typer.main.get_command)

gc.disable()  # what is imported and collected stays to the end: to look for garbage in it takes a quarter of the time


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    gc.freeze()
    gc.enable()


@pytest.hookimpl(tryfirst=True)  # pytest-xdist reads the groups in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    groups.give(items)
    groups.check(items)


# Arguments of networks that step in milliseconds, for every registered name; to be laid over with stems and a rate.
SMALL: dict[str, dict] = {
    "openunmix": {"hidden": 8, "layers": 2},
    "openunmix-joint": {"hidden": 8, "layers": 2},
    "hdemucs": {"transform": 1024, "width": 4, "residual_depth": 1},
    "convtasnet": {"kernel": 16, "basis": 16, "width": 8, "hidden": 16, "layers": 2, "stacks": 1},
    "scnet": {"hop": 64, "widths": (4, 8), "compression": 2, "dual_path_layers": 2},
    "bs-roformer": {"hop": 32, "dim": 8, "depth": 1, "heads": 2, "dim_head": 4, "freqs_per_bands": (5, 8, 12, 16, 24)},
    "mel-band-roformer": {"hop": 32, "dim": 8, "depth": 1, "heads": 2, "dim_head": 4, "num_bands": 6},
}


@pytest.fixture(scope="session")
def small_arguments():
    """``small_arguments(name)``: a small network's arguments but stems, rate and channels."""

    def arguments(name: str) -> dict:
        n_fft = 256 if name == "scnet" else 128
        return {"n_fft": n_fft, "hop": n_fft // 2} | SMALL[name]

    return arguments


@pytest.fixture(scope="session")
def unrolled(small_arguments):
    """``unrolled(name, steps=…, …)``: see ``tests.unrolled_training.make``."""
    from tests.unrolled_training import make

    return partial(make, small_arguments)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    """made_once(name, make): a folder that ``make(folder)`` has filled, in one of the session's processes. Not to be written to."""
    root = tmp_path_factory.getbasetemp()
    # Each of several processes has a folder inside the session's.
    return partial(made_once_in, root.parent if "PYTEST_XDIST_WORKER" in os.environ else root)


@pytest.fixture(scope="session")
def made_run(made_once) -> Run:
    """A run that has decided, over real files with known faults: see ``tests.made_run.make``. Not to be written to."""
    from tests.made_run import make

    return Run(str(made_once("made", make) / "run"))


@pytest.fixture
def raysep(monkeypatch, capsys):
    """raysep("status", "x") → (exit code, standard output, standard error), through the real entry point."""
    from raysep import cli

    monkeypatch.setenv("RAYSEP_DEBUG", "")  # put back afterwards, whatever --debug sets

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["raysep", *arguments])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return end.value.code or 0, *capsys.readouterr()

    return call


EXTEND = ROOT / "docs" / "extend.md"


@pytest.fixture(scope="session")
def own_files() -> dict[str, str]:
    """The files that docs/extend.md shows, name → text: what a user adds to raysep."""
    return dict(re.findall(r"^`(\w+\.py)`:\n\n```python\n(.*?)^```$", EXTEND.read_text(), re.MULTILINE | re.DOTALL))


@pytest.fixture
def own_module(tmp_path, monkeypatch):
    """``own_module(name, text)`` makes a module outside the package that can be imported, and gives its name."""
    folder = tmp_path / "own"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    written = []

    def write(name: str, text: str) -> str:
        (folder / f"{name}.py").write_text(text)
        written.append(name)
        return name

    yield write
    for name in written:
        sys.modules.pop(name, None)


@pytest.fixture(scope="session")
def s3_server() -> str:
    """The endpoint of an S3 server inside this process; the standard environment variables point at it.

    Set for the whole session and before Ray starts, since workers inherit the environment of the runtime.
    """
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    endpoint = "http://{}:{}".format(*server.get_host_and_port())
    os.environ |= {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    yield endpoint
    server.stop()


@pytest.fixture(scope="session")
def ray_runtime(s3_server):
    """A local Ray of three CPUs (whatever the machine has), shared by all tests that need one; gives its resources."""
    import ray

    from raysep.cluster import session

    resources = session.connect("local", cpus=3)
    yield resources
    ray.shutdown()


@dataclass(frozen=True)
class Corpora:
    """Folders of songs: the corpus with faults in it, its clean original, reference, test tracks, and the truth."""

    corpus: str
    clean: str
    reference: str
    test: str
    truth: str


@pytest.fixture(scope="session")
def corpora(made_once) -> Corpora:
    """Songs from real instruments at the smallest size that goes through every stage."""
    root = made_once("corpora", write_corpora)
    return Corpora(*(str(root / name) for name in ("corpus", "clean", "reference", "test", "truth.parquet")))


def write_corpora(root: Path) -> None:
    from raysep.corpus.contamination import contaminate
    from raysep.corpus.songs.synthesis import synthesise

    for name, songs, seed in (("clean", 10, 1), ("reference", 9, 2), ("test", 2, 3)):
        synthesise(str(root / name), songs, 6.0, 8000, seed, workers=1, prefix=name)
    contaminate(str(root / "clean"), str(root / "corpus"), str(root / "truth.parquet"), 0.4, seed=1, workers=1)


# A run without a cluster: its folder, its settings, and corpora of small real files.

LABELS = settings.LABELS
RATE = 8000


@pytest.fixture
def make_context(tmp_path, make_context_in):
    """make_context(section={…}, …): of a new run under ``tmp_path``, at 8 kHz and in mono."""
    return partial(make_context_in, tmp_path / "run")


@pytest.fixture(scope="session")
def make_context_in():
    """make_context_in(folder, section={…}, …): of the run in this folder, at 8 kHz and in mono."""

    def make(folder: Path, channels: int = 1, retry_failed: bool = False, **overrides) -> Context:
        config = settings.preset("smallest", overrides)
        return Context(
            run=Run(str(folder)),
            config=config,
            available=Resources(2.0, 0.0, 1),
            progress=Progress(quiet=True),
            fingerprint="abc",
            retry_failed=retry_failed,
            sample_rate=RATE,
            channels=channels,
        )

    return make


@pytest.fixture(scope="session")
def make_stems():
    """make_stems(names, …): manifest rows of tracks whose files do not exist."""

    def make(names, frames: int = 4 * RATE, rate: int = RATE, labels=LABELS, tag: str = "") -> list[Stem]:
        return [
            Stem(f"{t}/{k}", t, k, f"/no/{t}/{k}.wav", rate, 1, frames, "WAV/PCM_16", 2 * frames + 44, f"{tag}{t}{k}")
            for t in names
            for k in labels
        ]

    return make


@pytest.fixture(scope="session")
def write_tracks():
    """write_tracks(folder, names, …): tracks of noise, a different one in every stem; returns the folder's path."""

    def write(folder: Path, names, seconds: float = 2.0, rate: int = RATE, seed: int = 0, labels=LABELS) -> str:
        for name in names:
            (folder / name).mkdir(parents=True)
            for label in labels:
                rng = np.random.default_rng([seed, len(name), *name.encode(), *label.encode()])
                soundfile.write(folder / name / f"{label}.wav", 0.1 * rng.standard_normal(round(seconds * rate)), rate)
        return str(folder)

    return write


@pytest.fixture(scope="session")
def write_rows():
    """write_rows(run, name, rows): a table of the run."""

    def write(run: Run, name: str, rows: list[dict]) -> None:
        run.write_table(pa.Table.from_pylist(rows), name)

    return write


@pytest.fixture
def read_wav():
    return lambda data: soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)[0].T


@pytest.fixture(scope="session")
def run_here():
    """run_here(patch): from now on shards run one after another in this process; gives their numbers, call by call."""
    from raysep.cluster import shards

    def apply(patch: pytest.MonkeyPatch) -> list[list[int]]:
        calls: list[list[int]] = []

        def run_all(make, work, available, *, on_done=lambda shard, counts: None, **options):
            calls.append(sorted(work))
            run_one, failed = make(), {}
            for shard in sorted(work):
                try:
                    on_done(shard, run_one(shard, work[shard]))
                except StorageError:
                    raise
                except Exception as error:
                    failed[shard] = f"{type(error).__name__}: {error}"
            return failed

        patch.setattr(shards, "run_shards", run_all)
        return calls

    return apply


@pytest.fixture(scope="session")
def run_alone(run_here):
    """run_alone(patch): as ``run_here``, and whoever opens a session of Ray gets a made-up one of two CPUs."""
    from raysep.cluster import session

    def apply(patch: pytest.MonkeyPatch) -> list[list[int]]:
        patch.setattr(session, "session", lambda address: contextlib.nullcontext(Resources(2.0, 0.0, 1)))
        return run_here(patch)

    return apply


@pytest.fixture
def here(run_here, monkeypatch):
    """Shards run in this process; gives the numbers of the shards that were run, call by call."""
    return run_here(monkeypatch)


@pytest.fixture
def alone(run_alone, monkeypatch):
    """Shards run in this process, without a cluster; gives their numbers call by call."""
    return run_alone(monkeypatch)


@pytest.fixture(scope="session")
def save_network():
    """save_network(context, name, steps, seed): a small network trained for a few steps on noise, as a checkpoint."""
    import torch

    from raysep.separators import checkpoint, registry
    from raysep.training import loop
    from raysep.training.network import network_arguments

    def save(context: Context, name: str, steps: int = 3, seed: int = 0):
        torch.manual_seed(seed)
        network = registry.build(
            context.config.network.model, **network_arguments(context.config, RATE, context.channels)
        )
        recipe = loop.Recipe(steps=steps, batch=2, warmup=0, seed=seed)

        def draw(step: int) -> np.ndarray:
            rng = np.random.default_rng([seed, step])
            return (0.1 * rng.standard_normal((2, len(LABELS), context.channels, RATE))).astype(np.float32)

        network.set_input_statistics(torch.from_numpy(draw(99).sum(axis=1)))
        made = loop.to_checkpoint(loop.train(network, draw, recipe), network)
        context.run.write_bytes(checkpoint.to_bytes(made), "checkpoints", f"{name}.safetensors")
        return network

    return save


@pytest.fixture
def noise_stems(tmp_path) -> list[Stem]:
    """Six tracks of 2.3 s of 16-bit noise, another one in every stem."""
    from raysep.corpus.layouts import stems_of

    rng = np.random.default_rng(0)
    for track in "ABCDEF":
        (tmp_path / track).mkdir()
        for label in ("vocals", "drums", "bass", "other"):
            noise = rng.integers(-9000, 9000, round(2.3 * RATE)).astype(np.int16)
            soundfile.write(tmp_path / track / f"{label}.wav", noise, RATE, subtype="PCM_16")
    return stems_of(str(tmp_path)).stems


@pytest.fixture
def file_limit():
    """``with file_limit(bytes):`` no file of this process may grow beyond that, as on a disk that is full."""
    import resource

    @contextlib.contextmanager
    def limit(size: int):
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limit
