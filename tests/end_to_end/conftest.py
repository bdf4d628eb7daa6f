"""One finished run, made once and looked at by many tests."""

from __future__ import annotations

import pytest

from raysep import pipeline
from tests import trained_here


@pytest.fixture(scope="session")
def request_for(corpora):
    """request_for(out, …): the smallest cleaning of the session's corpora."""

    def make(out, **changes) -> pipeline.Request:
        fields = {
            "corpus": corpora.corpus,
            "reference": corpora.reference,
            "test": corpora.test,
            "out": str(out),
            "preset": "smallest",
            "quiet": True,
        }
        return pipeline.Request(**fields | changes)

    return make


@pytest.fixture(scope="session")
def finished(request_for, ray_runtime, tmp_path_factory):
    """An undisturbed local run, with the search."""
    return pipeline.clean(request_for(tmp_path_factory.mktemp("runs") / "local", search=True))


@pytest.fixture
def all_here(alone, monkeypatch):
    """From now on a whole cleaning, its trainings too, runs in this process; shards' numbers, call by call."""
    from raysep.cluster import side_by_side

    monkeypatch.setattr(side_by_side, "train", trained_here.train)
    return alone
