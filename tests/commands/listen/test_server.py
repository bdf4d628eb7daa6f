"""The page as it is served: the run's own stems and nothing else, to this machine alone."""

from __future__ import annotations

import http.client
import io
import socket
import threading

import numpy as np
import pytest
import soundfile

from raysep.commands.listen import server
from raysep.corpus import manifest, storage
from raysep.errors import BadInput


@pytest.fixture(scope="module")
def port(made_run):
    """Of the server of the made run."""
    with server.listening(made_run, 0) as (address, serve):
        threading.Thread(target=serve, daemon=True).start()
        yield int(address.rstrip("/").rsplit(":", 1)[1])


@pytest.fixture
def ask(port):
    """ask("/", Range=…) → (status, headers, body)."""

    def get(path: str, **headers: str):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()

    return get


def test_the_page_is_the_same_with_every_stem_to_hear(ask, made_run):
    status, headers, body = ask("/")
    page = body.decode()
    assert status == 200
    assert headers["x-content-type-options"] == "nosniff"
    assert "Any of them can be heard." in page
    assert "data:audio" not in page
    assert page.count('<article class="card"') > 10


def test_a_stem_is_heard_whole_and_by_ranges(ask, made_run):
    _, _, card = ask("/card/0")
    name = card.decode().split('data-stem="')[1].split('"')[0]
    stem = next(s for s in manifest.read(made_run.path("manifest.parquet")) if s.stem_id == name)
    assert card.decode().count('src="audio/0/') == 3
    status, headers, body = ask("/audio/0/stem")
    assert (status, headers["content-type"], headers["accept-ranges"]) == (200, "audio/wav", "bytes")
    audio, rate = soundfile.read(io.BytesIO(body), always_2d=True)
    original, _ = soundfile.read(stem.uri, always_2d=True)
    assert rate == stem.sample_rate
    assert np.abs(audio - original).max() < 1e-4
    status, headers, part = ask("/audio/0/stem", Range="bytes=100-199")
    assert (status, headers["content-range"]) == (206, f"bytes 100-199/{len(body)}")
    assert part == body[100:200]


def test_its_mixture_and_a_trusted_one_are_heard(ask, made_run):
    _, _, card = ask("/card/0")
    track, label = card.decode().split('data-stem="')[1].split('"')[0].split("/")
    stems = [s for s in manifest.read(made_run.path("manifest.parquet")) if s.track == track]
    mixed, _ = soundfile.read(io.BytesIO(ask("/audio/0/mixture")[2]))
    total = sum(soundfile.read(s.uri)[0] for s in stems)
    assert np.abs(mixed - total / max(1.0, np.abs(total).max())).max() < 1e-3
    trusted, _ = soundfile.read(io.BytesIO(ask("/audio/0/trusted")[2]))
    references = [s for s in manifest.read(made_run.path("reference.parquet")) if s.stem == label]
    assert min(np.abs(trusted - soundfile.read(s.uri)[0]).max() for s in references) < 1e-4


def test_what_the_separator_hears_is_of_the_seconds_that_a_page_shows(made_run, monkeypatch):
    desk = server.Desk(made_run)
    assert b"has no trained network" in desk.page
    missing = desk.answer("/audio/0/separator", None)
    assert (missing.status, b"has no trained network" in missing.body) == (404, True)
    asked = []

    def separated(*about):
        asked.append(about)
        return np.full((1, 4000), 0.5, np.float32), 8000

    monkeypatch.setattr(desk.evidence, "separated", separated)
    audio, rate = soundfile.read(io.BytesIO(desk.answer("/audio/0/separator", None).body))
    assert (len(audio), rate, float(audio.max())) == (4000, 8000, pytest.approx(0.5, abs=1e-3))
    pictures = desk.answer("/scope/0/separator", None)
    assert (pictures.status, pictures.body.count(b"<svg"), pictures.body.count(b"<image")) == (200, 3, 1)
    stem = desk.evidence.stems[desk.stem_ids[0]]
    excerpt = desk.evidence.excerpt_of(stem)
    assert asked == [(stem, excerpt.start, excerpt.seconds)]  # once, for the sound and its pictures


@pytest.mark.parametrize(
    "path",
    [
        "/audio/999/stem",
        "/card/999",
        "/audio/0/../../etc/passwd",
        "/audio/0/stem/",
        "/etc/passwd",
        "//x",
        "/card/",
        "/audio/-1/stem",
        "/scope/0/stem",
        "/scope/999/separator",
    ],
)
def test_nothing_else_can_be_asked_for(ask, path):
    status, _, body = ask(path)
    assert status == 404
    assert b"root:" not in body


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1:1", ""])
def test_a_request_in_another_hosts_name_is_refused(ask, host):
    assert ask("/", Host=host)[0] == 404


@pytest.mark.parametrize(
    ("wanted", "status", "part"),
    [
        (None, 200, slice(0, 10)),
        ("bytes=0-3", 206, slice(0, 4)),
        ("bytes=7-", 206, slice(7, 10)),
        ("bytes=8-99", 206, slice(8, 10)),
        ("bytes=-3", 206, slice(7, 10)),
        ("bytes=-99", 206, slice(0, 10)),
        ("bytes=10-12", 416, slice(0, 0)),
        ("bytes=5-2", 416, slice(0, 0)),
        ("bytes=-0", 416, slice(0, 0)),
        ("bytes=-", 200, slice(0, 10)),
        ("bytes=0-1,4-5", 200, slice(0, 10)),
        ("seconds=1-2", 200, slice(0, 10)),
    ],
)
def test_ranges(wanted, status, part):
    answer = server.ranged(b"0123456789", wanted)
    assert (answer.status, answer.body) == (status, b"0123456789"[part])


def test_a_port_that_is_taken_is_named(made_run):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(BadInput, match=rf"^--port {port}: cannot be had .*0 is any free one"),
            server.listening(made_run, port),
        ):
            pass


def test_a_folder_without_a_decision_is_refused_in_one_line(raysep, tmp_path):
    code, output, error = raysep("listen", str(tmp_path))
    assert (code, output) == (2, "")
    assert error.startswith(f"raysep: {tmp_path}: no run here")
    assert len(error.splitlines()) == 1


def test_nothing_is_written_to_the_run_so_that_somebody_elses_can_be_listened_to(made_run, monkeypatch):
    def refuse(*_: object) -> None:
        raise PermissionError("read only")

    for name in ("write_bytes", "upload", "copy", "delete"):
        monkeypatch.setattr(storage, name, refuse)
    desk = server.Desk(made_run)
    for path in ("/", "/card/0", "/audio/0/stem", "/audio/0/mixture", "/audio/0/trusted"):
        assert desk.answer(path, None).status == 200
