from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from raysep import events
from raysep.cluster import gauges

DASHBOARD = json.loads((Path(__file__).resolve().parents[2] / "deploy" / "grafana.json").read_text())
SENT_AS = "ray_"


@pytest.fixture
def sent(monkeypatch) -> list[tuple]:
    """(name, value, tags) of what reaches Ray's metrics."""
    found: list[tuple] = []

    class Metric:
        def __init__(self, name, about, tags):
            assert tags == gauges.TAGS
            self.name = name

        def note(self, value, tags):
            found.append((self.name, value, tags))

        inc = set = note

    monkeypatch.setattr(gauges.metrics, "Counter", Metric)
    monkeypatch.setattr(gauges.metrics, "Gauge", Metric)
    return found


def test_what_is_told_is_counted_by_run_and_stage(sent):
    with events.listening(gauges.Gauges()), events.at_stage("score"):
        events.tell("run-begun", run="first")
        events.tell("pool-resized", workers=4)
        events.tell("shard-done", failed=2)
        events.tell("shard-done", failed=0)
        events.tell("worker-died")
        events.tell("shard-retried")
        events.tell("progress", done=2, total=8, rate=0.5)
        events.tell("stage-ended", seconds=12.0, cpu_seconds=30.0, bytes_read=7, requests=0)
    assert all(tags == {"run": "first", "stage": "score"} for _, _, tags in sent)
    assert [(name.removeprefix("raysep_"), value) for name, value, _ in sent] == [
        ("workers", 4.0),
        ("shards_done_total", 1.0),
        ("stems_failed_total", 2.0),
        ("shards_done_total", 1.0),
        ("workers_died_total", 1.0),
        ("shards_retried_total", 1.0),
        ("progress_done", 2.0),
        ("progress_total", 8.0),
        ("progress_rate", 0.5),
        ("stage_seconds_total", 12.0),
        ("cpu_seconds_total", 30.0),
        ("bytes_read_total", 7.0),
    ]


def test_what_the_metrics_refuse_is_no_error(monkeypatch, sent):
    made = gauges.Gauges()

    def refuse(value, tags):
        raise ValueError("no")

    monkeypatch.setattr(made.gauges["raysep_workers"], "set", refuse)
    made("pool-resized", {"workers": 4})


def test_rays_own_metrics_take_them(ray_runtime):
    with events.listening(gauges.Gauges()), events.at_stage("score"):
        events.tell("run-begun", run="first")
        events.tell("shard-done", failed=1)
        events.tell("progress", done=2, total=8, rate=0.5, left=12.0, workers=2)
        events.tell("stage-ended", seconds=1.0, cpu_seconds=1.0, gpu_seconds=1.0, bytes_read=1)


def test_the_dashboard_draws_metrics_that_there_are_and_all_of_them():
    drawn = json.dumps([panel["targets"] for panel in DASHBOARD["panels"]])
    names = set(re.findall(r"ray_raysep_\w+", drawn))
    assert names == {f"{SENT_AS}{name}" for name in (*gauges.COUNTERS, *gauges.GAUGES)}
    asked = json.dumps(DASHBOARD["templating"])
    assert set(re.findall(r"ray_raysep_\w+", asked)) <= names
    labels = set(re.findall(r"by \(([^)]*)\)", drawn)) | set(re.findall(r"\{\{(\w+)\}\}", drawn))
    assert {label for text in labels for label in re.split(r",\s*", text)} <= set(gauges.TAGS)
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in DASHBOARD["panels"]]
    assert len(set(places)) == len(places)
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(places)
