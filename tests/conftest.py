"""What the whole test session shares: an object store on loopback, one Ray runtime, one small corpus of real songs."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine is no reason to fail.
settings.register_profile("raysep", deadline=None)
settings.load_profile("raysep")

# Small networks gain nothing from a second thread, and on a busy machine waiting for it costs them twentyfold.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("RAY_AUTH_MODE", "disabled")  # otherwise Ray leaves a token in the home folder
os.environ.setdefault("RAY_memory_usage_threshold", "0.98")


# Arguments of networks that step in milliseconds, for every registered name; to be laid over with stems and a rate.
SMALL: dict[str, dict] = {
    "openunmix": {"hidden": 8, "layers": 2},
    "openunmix-joint": {"hidden": 8, "layers": 2},
    "hdemucs": {"transform": 1024, "width": 4, "residual_depth": 1},
    "convtasnet": {"kernel": 16, "basis": 16, "width": 8, "hidden": 16, "layers": 2, "stacks": 1},
    "scnet": {"hop": 64, "widths": (4, 8), "compression": 2, "dual_path_layers": 2},
}


@pytest.fixture(scope="session")
def small_arguments():
    """``small_arguments(name)``: a small network's arguments but stems, rate and channels."""

    def arguments(name: str) -> dict:
        n_fft = 256 if name == "scnet" else 128
        return {"n_fft": n_fft, "hop": n_fft // 2} | SMALL[name]

    return arguments


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
def corpora(tmp_path_factory) -> Corpora:
    """Songs from real instruments at the smallest size that goes through every stage."""
    from raysep.corpus.contamination import contaminate
    from raysep.corpus.songs.synthesis import synthesise

    root: Path = tmp_path_factory.mktemp("corpora")
    for name, songs, seed in (("clean", 10, 1), ("reference", 9, 2), ("test", 2, 3)):
        synthesise(str(root / name), songs, 6.0, 8000, seed, workers=2, prefix=name)
    corpus, truth = root / "corpus", root / "truth.parquet"
    contaminate(str(root / "clean"), str(corpus), str(truth), 0.4, seed=1, workers=1)
    return Corpora(*(str(p) for p in (corpus, root / "clean", root / "reference", root / "test", truth)))
