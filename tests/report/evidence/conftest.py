from __future__ import annotations

import pytest

from raysep.report.evidence.of_run import Evidence


@pytest.fixture(scope="session")
def evidence(made_run) -> Evidence:
    return Evidence(made_run)
