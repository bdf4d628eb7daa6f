from __future__ import annotations

import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest
from ray.job_submission import JobStatus

import raysep
from raysep.cluster import jobs
from raysep.cluster.session import ALLOCATOR
from raysep.errors import BadInput, RaysepError


class Jobs:
    """A cluster's dashboard: what was submitted, and a job that goes on by one step at every look."""

    def __init__(self, statuses=(), logs=()) -> None:
        self.sent: list[dict] = []
        self.statuses, self.logs = list(statuses), list(logs)
        self.refusal: str | None = None

    def submit_job(self, **job) -> str:
        if self.refusal:
            raise RuntimeError(self.refusal)
        self.sent.append(job)
        return job["submission_id"] or "raysubmit_1"

    def get_job_status(self, identity):
        return self.statuses.pop(0)

    def get_job_logs(self, identity):
        return self.logs.pop(0)

    def get_job_info(self, identity):
        return SimpleNamespace(status=JobStatus.SUCCEEDED, message="done", identity=identity)


@pytest.fixture
def submitted(monkeypatch):
    found = Jobs()
    monkeypatch.setattr(jobs, "client", lambda address: found)
    monkeypatch.setattr(jobs.time, "sleep", lambda seconds: None)
    return found


def test_a_job_is_a_module_of_this_checkout_with_its_arguments(submitted):
    arguments = ["raysep", "clean", "my corpus", "--reference", "s3://b/it's"]
    assert jobs.submit("http://head:8265", arguments) == "raysubmit_1"
    (job,) = submitted.sent
    assert shlex.split(job["entrypoint"]) == ["python", "-m", *arguments]
    root = Path(job["runtime_env"]["working_dir"])
    assert (root / "raysep" / "__main__.py").exists()
    assert (root / "raysep") == Path(raysep.__file__).parent
    assert ".venv" in job["runtime_env"]["excludes"]


def test_an_installed_raysep_sends_no_code_but_its_settings(submitted, monkeypatch, tmp_path):
    monkeypatch.setattr(jobs, "__file__", str(tmp_path / "site-packages" / "raysep" / "cluster" / "jobs.py"))
    assert jobs.checkout() is None
    jobs.submit("http://head:8265", ["raysep", "clean", "s3://b/corpus"], pass_credentials=False)
    assert submitted.sent[0]["entrypoint"] == "python -m raysep clean s3://b/corpus"
    assert submitted.sent[0]["runtime_env"] == {"env_vars": ALLOCATOR}


def test_credentials_travel_in_the_environment_and_nowhere_else(submitted, monkeypatch):
    for name in jobs.PASSED_ON:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://store:9000")
    monkeypatch.setenv("HOME_SECRET", "private")
    jobs.submit("http://head:8265", ["raysep", "clean"])
    jobs.submit("http://head:8265", ["raysep", "clean"], pass_credentials=False)
    first, second = (job["runtime_env"].pop("env_vars") for job in submitted.sent)
    assert first == ALLOCATOR | {"AWS_SECRET_ACCESS_KEY": "hush", "AWS_ENDPOINT_URL": "http://store:9000"}
    assert second == ALLOCATOR
    assert "hush" not in str(submitted.sent)


def test_an_identity_guards_against_submitting_twice(submitted):
    assert jobs.submit("http://head:8265", ["raysep", "train"], "night-1") == "night-1"
    submitted.refusal = "Request failed with status code 500.\nJob with submission_id night-1 already exists."
    with pytest.raises(RaysepError, match=r"refused \(Job with submission_id night-1 already exists\.\)"):
        jobs.submit("http://head:8265", ["raysep", "train"], "night-1")


def test_a_log_is_followed_without_repeating_to_its_end(submitted):
    running = JobStatus.RUNNING
    submitted.statuses = [JobStatus.PENDING, running, running, JobStatus.SUCCEEDED]
    submitted.logs = ["", "one\n", "one\ntwo", "one\ntwo\nthree\n"]
    shown: list[str] = []
    details = jobs.follow("http://head:8265", "night-1", shown.append)
    assert "".join(shown) == "one\ntwo\nthree\n"
    assert (details.status, details.identity) == (JobStatus.SUCCEEDED, "night-1")


@pytest.mark.parametrize("status", [JobStatus.FAILED, JobStatus.STOPPED])
def test_following_ends_with_the_job_however_it_ends(submitted, status):
    submitted.statuses, submitted.logs = [status], ["broken\n"]
    jobs.follow("http://head:8265", "x", lambda text: None)
    assert submitted.logs == []


def test_a_dashboard_that_does_not_answer_is_named():
    with pytest.raises(BadInput, match=r"--address http://127\.0\.0\.1:9: no Ray dashboard answers"):
        jobs.client("http://127.0.0.1:9")
