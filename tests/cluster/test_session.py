from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import raysep
from raysep.cluster import capacity, session
from raysep.cluster.fit import READ_CPUS, leaving_room
from raysep.cluster.session import check_reachable
from raysep.errors import BadInput, RaysepError
from raysep.resources import Resources, ResourceSettings


@given(cpus=st.floats(0.5, 512), workers=st.integers(1, 64))
def test_a_group_leaves_the_reads_that_feed_it_a_share(cpus, workers):
    each = Resources(cpus, 0.0, 1).cpus_each(workers)
    assert 0 < each <= 1
    # What a worker reserves is less: a read of each fits beside the whole group.
    reserved = leaving_room({"CPU": each})["CPU"]
    assert reserved > 0
    assert cpus - workers * reserved >= workers * min(READ_CPUS, each / 10) - 1e-4 * workers  # Ray's smallest part


@pytest.mark.parametrize(
    ("cpus", "workers", "each"), [(2, 2, 1.0), (1, 1, 1.0), (1, 2, 0.5), (8, 2, 1.0), (3, 2, 1.0), (4, 8, 0.5)]
)
def test_a_workers_share(cpus, workers, each):
    assert Resources(cpus, 0, 1).cpus_each(workers) == each


def test_a_cluster_that_has_yet_to_grow_is_asked_for_whole_cpus():
    assert Resources(0.0, 0.0, 1).cpus_each(4) == 1.0


def test_local_folders_are_refused_on_several_nodes_only(monkeypatch):
    monkeypatch.delenv("RAYSEP_SHARED_FOLDERS", raising=False)
    check_reachable("/data/corpus", Resources(8, 0, 1))
    check_reachable("s3://bucket/corpus", Resources(8, 0, 3))
    for uri in ("/data/corpus", "file:///data/corpus"):
        with pytest.raises(BadInput, match=rf"^{uri}: a local path on a cluster of 3 nodes; use s3://"):
            check_reachable(uri, Resources(8, 0, 3))
    monkeypatch.setenv("RAYSEP_SHARED_FOLDERS", "1")
    check_reachable("/data/corpus", Resources(8, 0, 3))


@pytest.fixture
def fake_ray(monkeypatch):
    """What ``ray.init`` and ``ray.shutdown`` are called with, and a cluster that is only said to be there."""
    calls: list = []
    state = {"on": False}

    def init(**options):
        calls.append(("init", options))
        if options.get("address") == "nowhere:6379":
            raise ConnectionError("no answer")
        state["on"] = True

    def shutdown():
        calls.append(("shutdown", {}))
        state["on"] = False

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    for name in session.QUIET:
        monkeypatch.setenv(name, session.QUIET[name])
    monkeypatch.setattr(session.ray, "is_initialized", lambda: state["on"])
    monkeypatch.setattr(session.ray, "init", init)
    monkeypatch.setattr(session.ray, "shutdown", shutdown)
    monkeypatch.setattr(session.ray, "cluster_resources", lambda: {"CPU": 6.0, "memory": 1.0})
    monkeypatch.setattr(capacity, "_kinds", tuple)  # no autoscaler
    monkeypatch.setattr(session.ray, "nodes", lambda: [{"Alive": True}, {"Alive": False}, {"Alive": True}])
    calls.append(state)
    return calls


def test_without_an_address_a_private_runtime_starts_and_ends(fake_ray):
    with session.session(cpus=2) as found:
        assert found == Resources(6.0, 0.0, 2)
    (_, options), last = fake_ray[1], fake_ray[-1]
    assert (options["address"], options["num_cpus"], options["include_dashboard"]) == ("local", 2, False)
    assert last == ("shutdown", {})


def test_it_ends_after_an_error_too(fake_ray):
    with pytest.raises(ZeroDivisionError), session.session():
        raise ZeroDivisionError
    assert fake_ray[-1] == ("shutdown", {})


def test_the_address_of_the_environment_is_joined_unless_another_is_given(fake_ray, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    for given_address, joined in ((None, "head:6379"), ("other:6379", "other:6379"), ("local", "local")):
        with session.session(given_address):
            pass
        assert fake_ray[-2][1]["address"] == joined
    assert "num_cpus" not in fake_ray[1][1]


def test_a_runtime_that_was_there_is_used_and_left_alone(fake_ray):
    fake_ray[0]["on"] = True
    with session.session("head:6379") as found:
        assert found.cpus == 6.0
    assert len(fake_ray) == 1


def test_a_runtime_that_does_not_start_in_time_is_one_line(fake_ray, monkeypatch):
    def init(**options):
        raise Exception(told)

    monkeypatch.setattr(session.ray, "init", init)
    told = "The current node timed out during startup. This could happen because …"  # as Ray 2.60 has it
    with pytest.raises(RaysepError, match=r"did not start on this machine in time.*give the same command again"):
        session.connect()
    told = "something else"
    with pytest.raises(Exception, match=r"^something else$"):
        session.connect()


def test_an_address_that_does_not_answer_is_named(fake_ray):
    with pytest.raises(BadInput, match="Ray at nowhere:6379: no answer; start it with `ray start --head`"):
        session.connect("nowhere:6379")


def test_the_runtime_of_the_tests_has_what_it_was_given(ray_runtime):
    assert (ray_runtime.cpus, ray_runtime.nodes) == (3.0, 1)
    with session.session() as found:
        assert found == ray_runtime
    assert session.ray.is_initialized()


def test_workers_look_for_code_where_this_process_does(fake_ray, monkeypatch, tmp_path):
    """Ray puts the folder in which it is started before all others on the workers' path."""
    where = []
    real = session.ray.init
    monkeypatch.setattr(session.ray, "init", lambda **options: (where.append(os.getcwd()), real(**options)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["own", "/elsewhere"]))
    with session.session():
        assert os.getcwd() == str(tmp_path)
    assert where == [str(Path(raysep.__file__).parents[1])]
    assert os.environ["PYTHONPATH"] == os.pathsep.join([str(tmp_path / "own"), "/elsewhere"])
    monkeypatch.setattr(sys, "path", ["", *sys.path])  # as with python -m raysep: this process looks here itself
    with session.session():
        pass
    assert where[1:] == [str(tmp_path)]


@pytest.mark.cluster
def test_a_clone_in_the_folder_is_not_what_workers_run(tmp_path):
    """A command given where another raysep/ and a file of a library's name lie: the workers run this one."""
    (tmp_path / "raysep").mkdir()
    for name in ("raysep/__init__.py", "soundfile.py"):
        (tmp_path / name).write_text("raise RuntimeError('imported from the current folder')\n")
    (tmp_path / "script").mkdir()
    (tmp_path / "script" / "ask.py").write_text(
        "from raysep.cluster import session\n"
        "import ray\n"
        "@ray.remote\n"
        "def where():\n"
        "    import raysep, soundfile\n"
        "    return raysep.__file__\n"
        "if __name__ == '__main__':\n"
        "    with session.session(cpus=1):\n"
        "        print(ray.get(where.remote()))\n"
    )
    root = str(Path(raysep.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, str(tmp_path / "script" / "ask.py")],
        cwd=tmp_path,
        env={k: v for k, v in os.environ.items() if k != "RAY_ADDRESS"} | {"PYTHONPATH": root},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.strip().splitlines()[-1:] == [raysep.__file__], done.stderr


# What is asked of the cluster


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"score": {"gpus": 1}}, r"resources\.score: .* a worker of 1 CPU, 1 GPU: its nodes have 3 CPUs; ask for less"),
        ({"attribute": {"spot": 0.1}}, r"resources\.attribute: .* a worker of 1 CPU, 0\.1 spot"),
        ({"train": {"cpus": 2}}, r"resources\.train: .* 2 workers of 2 CPUs each"),
        ({"evaluate": {"memory_gib": 10**6}}, r"resources\.evaluate: .* 1e\+06 GiB of memory"),
    ],
)
def test_what_the_cluster_can_never_give_is_refused_before_a_file_is_read(ray_runtime, raysep, tmp_path, asked, words):
    (tmp_path / "own.yaml").write_text(json.dumps({"resources": asked, "training": {"workers": 2}}))
    code, _, err = raysep(
        "clean", str(tmp_path / "none"), "--reference", str(tmp_path / "none"), "--out", str(tmp_path / "run"),
        "--config", str(tmp_path / "own.yaml"),
    )  # fmt: skip
    assert code == 2
    assert re.search(words, err)
    assert len(err.splitlines()) == 1


def test_what_it_can_give_is_not_refused(ray_runtime):
    asked = ResourceSettings(train={"cpus": 1.5}, score={"cpus": 1, "gpus": 0}, search={"memory_gib": 0.1})
    session.refuse_unfit(None, asked, 2, "3:8")
    with pytest.raises(BadInput, match="--workers 4: is the least, and the cluster has no room for 4 workers of 1 CPU"):
        session.refuse_unfit(None, ResourceSettings(), 2, "4:8")


@pytest.mark.parametrize("command", ["clean", "score", "evaluate", "fad", "check"])
def test_a_size_that_no_pool_has_is_refused_at_once(raysep, command):
    code, _, err = raysep(command, "none", "--workers", "8:2")
    assert (code, err.splitlines()[-1][:24]) == (2, "raysep: --workers 8:2: g")
