from __future__ import annotations

import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests
from ray.job_submission import JobStatus

import raysep
from raysep.cluster import following, jobs
from raysep.cluster.session import ALLOCATOR
from raysep.errors import BadInput, RaysepError

RUNNING, SUCCEEDED, FAILED, STOPPED = JobStatus.RUNNING, JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.STOPPED
HEAD = "http://head:8265"


class Jobs:
    """A cluster's dashboard: what was submitted, and a job that goes on by one step at every look."""

    def __init__(self) -> None:
        self.sent: list[dict] = []
        self.looks: list[tuple[JobStatus, str] | Exception] = []  # what each look at the followed job finds
        self.known: dict[str, JobStatus] = {}
        self.refusal: str | None = None

    def submit_job(self, **job) -> str:
        if self.refusal:
            raise RuntimeError(self.refusal)
        self.sent.append(job)
        return job["submission_id"]

    def get_job_status(self, identity):
        if identity not in self.known:
            raise RuntimeError(f"Request failed with status code 404: Job {identity} does not exist.")
        return self.known[identity]

    def get_job_info(self, identity):
        if isinstance(self.looks[0], Exception):
            raise self.looks.pop(0)
        return SimpleNamespace(status=self.looks[0][0], message="done", identity=identity)

    def get_job_logs(self, identity):
        return self.looks.pop(0)[1]


@pytest.fixture
def cluster(monkeypatch):
    for module in (jobs, following):
        monkeypatch.setattr(module.time, "sleep", lambda seconds: None)
    return Jobs()


# Submitting


def test_a_job_is_a_module_of_this_checkout_with_its_arguments(cluster):
    arguments = ["raysep", "clean", "my corpus", "--reference", "s3://b/it's"]
    jobs.submit(cluster, HEAD, arguments, "night-1", jobs.upload())
    (job,) = cluster.sent
    assert job["submission_id"] == "night-1"
    assert shlex.split(job["entrypoint"]) == ["python", "-m", *arguments]
    root = Path(job["runtime_env"]["working_dir"])
    assert (root / "raysep" / "__main__.py").exists()
    assert (root / "raysep") == Path(raysep.__file__).parent
    assert ".venv" in job["runtime_env"]["excludes"]


def test_an_installed_raysep_sends_its_own_folder_and_nothing_that_is_installed_beside_it(
    cluster, monkeypatch, tmp_path
):
    package = tmp_path / "site-packages" / "raysep"
    for name in ("cluster/jobs.py", "corpus/songs/voice/a.ogg", "../torch/large.py"):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).resolve().write_bytes(b"12345")
    monkeypatch.setattr(jobs, "__file__", str(package / "cluster" / "jobs.py"))
    assert jobs.checkout() is None
    code = jobs.upload()
    jobs.submit(cluster, HEAD, ["raysep", "clean", "s3://b/corpus"], "x", code, pass_credentials=False)
    assert cluster.sent[0]["entrypoint"] == "python -m raysep clean s3://b/corpus"
    environment = cluster.sent[0]["runtime_env"]
    assert environment == {"py_modules": [str(package)], "excludes": ["__pycache__"], "env_vars": ALLOCATOR}
    assert (code.files, code.bytes) == (2, 10)
    assert "2 files" in code.told()


def test_without_code_the_job_runs_what_is_installed_there(cluster):
    jobs.submit(cluster, HEAD, ["raysep", "clean", "s3://b/corpus"], "x", None, pass_credentials=False)
    assert cluster.sent[0]["runtime_env"] == {"env_vars": ALLOCATOR}


def test_credentials_travel_in_the_environment_and_nowhere_else(cluster, monkeypatch):
    for name in jobs.PASSED_ON:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://store:9000")
    monkeypatch.setenv("HOME_SECRET", "private")
    jobs.submit(cluster, HEAD, ["raysep", "clean"], "a", None)
    jobs.submit(cluster, HEAD, ["raysep", "clean"], "b", None, pass_credentials=False)
    first, second = (job["runtime_env"].pop("env_vars") for job in cluster.sent)
    assert first == ALLOCATOR | {"AWS_SECRET_ACCESS_KEY": "hush", "AWS_ENDPOINT_URL": "http://store:9000"}
    assert second == ALLOCATOR
    assert "hush" not in str(cluster.sent)


@pytest.mark.parametrize("end", ["", "\n", "\n."])
def test_what_the_cluster_refuses_is_said_in_its_own_words(cluster, end):
    cluster.refusal = f"Request failed with status code 500.\nno room for the job{end}"
    with pytest.raises(RaysepError, match=r"http://head:8265: the job was refused \(no room for the job\)"):
        jobs.submit(cluster, HEAD, ["raysep", "train"], "night-1", None)


# A command is one job


def test_the_name_of_a_job_follows_from_its_words_and_from_the_files_that_they_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text("seed: 1")
    words = ["raysep", "clean", "C", "--config", "mine.yaml"]
    name = jobs.identity_of(words)
    assert name.startswith("raysep-clean-")
    assert jobs.identity_of(list(words)) == name
    assert jobs.identity_of([*words, "--set", "seed=2"]) != name
    Path("mine.yaml").write_text("seed: 2")
    assert jobs.identity_of(words) != name


@pytest.mark.parametrize("words", [["--reference", "mine.parquet"], ["--config=mine.parquet"]], ids=" ".join)
def test_any_file_that_is_named_counts_by_what_it_holds(tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    Path("mine.parquet").write_bytes(b"1")
    name = jobs.identity_of(["raysep", "clean", *words])
    Path("mine.parquet").write_bytes(b"2")
    assert jobs.identity_of(["raysep", "clean", *words]) != name


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({}, ("a", None)),
        ({"a": RUNNING}, ("a", RUNNING)),
        ({"a": JobStatus.PENDING}, ("a", JobStatus.PENDING)),
        ({"a": SUCCEEDED}, ("a", SUCCEEDED)),
        ({"a": FAILED}, ("a-2", None)),
        ({"a": FAILED, "a-2": STOPPED, "a-3": RUNNING}, ("a-3", RUNNING)),
    ],
    ids=["new", "running", "waiting", "done", "failed", "running again"],
)
def test_the_same_command_is_one_job_until_it_fails(cluster, known, expected):
    cluster.known = known
    assert jobs.find_or_name(cluster, "a") == expected


def test_a_name_of_ones_own_is_taken_as_it_is(cluster):
    cluster.known = {"night-1": FAILED, "night-2": RUNNING}
    with pytest.raises(RaysepError, match="--submission-id night-1: a job of that name has failed"):
        jobs.find_or_name(cluster, "night-1", exactly=True)
    assert jobs.find_or_name(cluster, "night-2", exactly=True) == ("night-2", RUNNING)
    assert jobs.find_or_name(cluster, "night-3", exactly=True) == ("night-3", None)


@pytest.mark.parametrize(
    ("job", "arguments", "place"),
    [
        ("clean", ["C", "--out", "s3://b/run"], "s3://b/run"),
        ("clean", ["--out=s3://b/run", "C"], "s3://b/run"),
        ("export", ["RUN", "--to", "DEST"], "DEST"),
        ("tune", ["s3://b/run", "--quiet"], "s3://b/run"),
        ("fad", ["C", "--reference", "R"], None),
        ("prove", ["--seeds", "3", "s3://b/run"], None),
    ],
)
def test_where_the_results_are(job, arguments, place):
    assert jobs.results_of(job, arguments) == place


# Following


def followed(cluster) -> tuple[str, list[str], object]:
    """(what was shown of the log, what was said, the details at the end)."""
    shown: list[str] = []
    said: list[str] = []
    details = following.follow(cluster, "night-1", shown.append, said.append)
    return "".join(shown), said, details


def test_a_log_is_followed_without_repeating_to_its_end(cluster):
    cluster.looks = [
        (JobStatus.PENDING, ""),
        (RUNNING, "one\n"),
        (RUNNING, "one\ntwo"),
        (SUCCEEDED, "one\ntwo\nthree\n"),
    ]
    shown, said, details = followed(cluster)
    assert shown == "one\ntwo\nthree\n"
    assert said == []
    assert (details.status, details.identity) == (SUCCEEDED, "night-1")


@pytest.mark.parametrize("status", [FAILED, STOPPED])
def test_following_ends_with_the_job_however_it_ends(cluster, status):
    cluster.looks = [(status, "broken\n")]
    assert followed(cluster)[2].status == status
    assert cluster.looks == []


@pytest.mark.parametrize(
    "gone",
    [
        requests.exceptions.ConnectionError("no route"),
        requests.exceptions.ReadTimeout("slow"),
        ConnectionResetError("reset"),
        RuntimeError("Request failed with status code 503: starting."),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_dashboard_that_goes_away_and_comes_back_is_said_once_each(cluster, gone):
    cluster.looks = [(RUNNING, "one\n"), gone, gone, gone, (RUNNING, "one\ntwo\n"), gone, (SUCCEEDED, "one\ntwo\n")]
    shown, said, _ = followed(cluster)
    assert shown == "one\ntwo\n"
    assert ["does not answer" in line for line in said] == [True, False, True, False]
    assert said[1] == said[3] == "the dashboard answers again"


def test_a_dashboard_that_stays_away_is_waited_for_ten_minutes(cluster, monkeypatch):
    now = iter(range(0, 10**6, 100))
    monkeypatch.setattr(following.time, "monotonic", lambda: next(now))
    cluster.looks = [ConnectionError("no route")] * 20
    with pytest.raises(RaysepError, match=r"not answered for 10 minutes.*the same command follows it again"):
        followed(cluster)


def test_a_job_that_a_new_head_does_not_know_is_told(cluster):
    cluster.looks = [(RUNNING, ""), RuntimeError("Request failed with status code 404: no such job")]
    with pytest.raises(RaysepError, match="night-1: the cluster knows no such job any more"):
        followed(cluster)


def test_a_dashboard_that_does_not_answer_is_named():
    with pytest.raises(BadInput, match=r"--address http://127\.0\.0\.1:9: no Ray dashboard answers"):
        jobs.client("http://127.0.0.1:9")
