"""Small real corpora, and an object store inside the test process."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the same helper module under any import mode of pytest

from small_audio import LABELS, RATE, tones_and_noise, wav


@pytest.fixture
def track():
    """label → (channel, time) of one track."""
    return {label: tones_and_noise(label) for label in LABELS}


@pytest.fixture
def write_corpus():
    """write(uri, names, …): a corpus of small tracks with their mixtures, local or in the store."""
    from raysep.corpus import storage

    def write(uri: str, names=("A", "B", "C"), seconds=1.0, format="WAV", extension="wav", rate=RATE, mixture=True):
        for number, name in enumerate(names):
            stems = {label: tones_and_noise(label, number, seconds, rate) for label in LABELS}
            if mixture:
                stems["mixture"] = np.sum(list(stems.values()), axis=0)
            for label, audio in stems.items():
                storage.write_bytes(f"{uri}/{name}/{label}.{extension}", wav(audio, rate, format))
        return str(uri)

    return write


@pytest.fixture(scope="session")
def _server():
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def bucket(_server, monkeypatch, request) -> str:
    """The URI of an empty bucket; the standard environment variables point at its server."""
    import boto3

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", _server)
    name = f"corpus-{abs(hash(request.node.nodeid)) % 10**8}"
    boto3.client("s3").create_bucket(Bucket=name)
    return f"s3://{name}"


@pytest.fixture
def asked(monkeypatch) -> list[str]:
    """The URIs of all requests to the store, as they are made."""
    from raysep.corpus.stores import s3

    made: list[str] = []
    patiently = s3.patiently
    monkeypatch.setattr(s3, "patiently", lambda action, uri: made.append(uri) or patiently(action, uri))
    return made
