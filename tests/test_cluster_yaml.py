"""cluster.yaml and cluster-gcp.yaml: what `ray up` would accept, with the versions of the rest of the project."""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from pathlib import Path

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = (
    Path(find_spec("ray").submodule_search_locations[0]) / "autoscaler" / "ray-schema.json"
)  # without importing Ray


@pytest.fixture(scope="module", params=["cluster.yaml", "cluster-gcp.yaml"])
def file(request) -> Path:
    return ROOT / request.param


@pytest.fixture(scope="module")
def cluster(file) -> dict:
    return yaml.safe_load(file.read_text())


@pytest.fixture(scope="module")
def pins() -> dict[str, str]:
    lines = (line.partition("#")[0].strip() for line in (ROOT / "constraints.txt").read_text().splitlines())
    return dict(line.split("==") for line in lines if line)


def test_it_is_valid_for_rays_own_schema(cluster):
    jsonschema.validate(cluster, json.loads(SCHEMA.read_text()))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**cluster, "max_wrokers": 3}, json.loads(SCHEMA.read_text()))


def test_its_nodes_add_up(cluster):
    nodes = cluster["available_node_types"]
    assert cluster["head_node_type"] in nodes
    workers = [node for name, node in nodes.items() if name != cluster["head_node_type"]]
    assert sum(node["max_workers"] for node in workers) <= cluster["max_workers"]
    assert all(0 <= node["min_workers"] <= node["max_workers"] for node in workers)
    assert nodes[cluster["head_node_type"]]["resources"]["CPU"] == 0


def test_its_image_holds_the_ray_and_python_of_this_project(cluster, pins):
    ray, python = re.fullmatch(r"rayproject/ray:([\d.]+)-py(\d+)-\w+", cluster["docker"]["image"]).groups()
    assert ray == pins["ray"]
    requires = re.search(r'requires-python = ">=(\d+)\.(\d+)"', (ROOT / "pyproject.toml").read_text())
    assert (int(python[0]), int(python[1:])) >= tuple(map(int, requires.groups()))
    assert f'"ray[data,train,tune,default]=={ray.rpartition(".")[0]}.*"' in (ROOT / "pyproject.toml").read_text()


def test_its_nodes_install_the_torch_and_constraints_of_the_makefile(cluster):
    torch = re.search(r"^TORCH \?= (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE).group(1)
    commands = "\n".join(cluster["setup_commands"])
    assert torch in commands
    assert "constraints.txt" in commands


def test_it_holds_no_credentials(file):
    assert not re.search(r"AKIA|aws_secret|aws_access|private_key", file.read_text(), re.IGNORECASE)


def test_both_differ_in_the_machines_alone():
    one, other = (yaml.safe_load((ROOT / name).read_text()) for name in ("cluster.yaml", "cluster-gcp.yaml"))
    for nodes in (one["available_node_types"], other["available_node_types"]):
        for node in nodes.values():
            del node["node_config"]
    del one["provider"], other["provider"]
    assert one == other
