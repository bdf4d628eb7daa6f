"""One finished run, made once and looked at by many tests."""

from __future__ import annotations

import pytest

from raysep import pipeline


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
