"""An object store that goes away: for a while, nothing is different; for longer, the run ends and goes on later."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import boto3
import pytest

from raysep.corpus import storage
from raysep.rundir import Run
from tests.end_to_end.test_clean import decisions, upload
from tests.flaky_proxy import FlakyProxy, Outages

pytestmark = [pytest.mark.cluster, pytest.mark.long, pytest.mark.alone]

# What a stage leaves at its end → seconds that the store is away for, once the next one has begun to read audio.
STAGES = {
    "/run.json": 3,  # plant
    "/done/plant.json": 10,  # train
    "/done/train.json": 3,  # attribute
    "/done/attribute.json": 3,  # the kit
    "/kit/made.json": 10,  # score
    "/done/decide.json": 3,  # search
    "/done/search.json": 3,  # retrain
    "/done/retrain.json": 3,  # evaluate
}


@pytest.fixture(scope="module")
def store(s3_server, corpora):
    """(proxy, URI of a bucket): the session's corpora, to be reached through the proxy."""
    boto3.client("s3").create_bucket(Bucket="outages")
    for name in ("corpus", "reference", "test"):
        upload(getattr(corpora, name), f"s3://outages/{name}")
    made = FlakyProxy(s3_server)
    yield made, "s3://outages"
    made.close()


def clean(proxy: FlakyProxy, root: str, out: str, patience: float) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "RAY_ADDRESS": "local",
        "AWS_ENDPOINT_URL": proxy.url,
        "RAYSEP_STORAGE_PATIENCE": str(patience),
    }
    places = [f"{root}/corpus", "--reference", f"{root}/reference", "--test", f"{root}/test", "--out", f"{root}/{out}"]
    words = [sys.executable, "-m", "raysep", "clean", *places, "--preset", "smallest", "--search", "--quiet"]
    return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=600)


def test_an_outage_in_every_stage_changes_nothing(finished, store):
    proxy, root = store
    rule = Outages(STAGES)
    with proxy.by(rule):
        done = clean(proxy, root, "short", patience=90)
    assert (done.returncode, done.stderr) == (0, "")
    assert rule.happened == ["", *STAGES]
    assert len(proxy.failed) > 3 * len(rule.happened)
    run = Run(f"{root}/short")
    assert decisions(run) == decisions(finished)
    assert run.read_table("failed.parquet") == finished.read_table("failed.parquet")
    assert len(run.read_table("results.parquet")) == len(finished.read_table("results.parquet"))


def test_an_outage_that_lasts_ends_the_run_and_the_same_command_goes_on(finished, store):
    proxy, root = store
    for stage in (
        "/done/plant.json",
        "/done/decide.json",
    ):  # in train, search: of the others tests/cluster/test_shards.py
        rule = Outages({stage: 10**6}, first=0)
        begin = time.monotonic()
        with proxy.by(rule):
            ended = clean(proxy, root, "long", patience=2)
        assert rule.happened == ["", stage], ended.stderr
        assert ended.returncode == 1
        assert len(ended.stderr.splitlines()) == 1, ended.stderr
        assert ended.stderr.startswith(f"raysep: {root}/")
        assert "storage cannot be reached" in ended.stderr
        assert time.monotonic() - begin < 200
    done = clean(proxy, root, "long", patience=60)
    assert (done.returncode, done.stderr) == (0, "")
    run = Run(f"{root}/long")
    assert decisions(run) == decisions(finished)
    assert len(run.read_table("failed.parquet")) == 0
    assert storage.exists(run.path("report.html"))
