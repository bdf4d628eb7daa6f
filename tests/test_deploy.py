"""Dockerfile and deploy/: what they pin is what the project pins, what they run is a command, and what they say has a meaning."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))

from command_lines import parse, words_of

ROOT = Path(__file__).resolve().parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
SLURM = ROOT / "deploy" / "slurm.sh"
# The fields of ray.io/v1 (KubeRay 1.6), as its API reference lists them. An unknown one is refused by the cluster.
JOB = {
    "activeDeadlineSeconds",
    "backoffLimit",
    "clusterSelector",
    "deletionStrategy",
    "entrypoint",
    "entrypointNumCpus",
}
JOB |= {"entrypointNumGpus", "entrypointResources", "jobId", "managedBy", "metadata", "preRunningDeadlineSeconds"}
JOB |= {"rayClusterSpec", "runtimeEnvYAML", "shutdownAfterJobFinishes", "submissionMode", "submitterConfig"}
JOB |= {"submitterPodTemplate", "suspend", "ttlSecondsAfterFinished"}
CLUSTER = {"authOptions", "autoscalerOptions", "enableInTreeAutoscaling", "gcsFaultToleranceOptions", "headGroupSpec"}
CLUSTER |= {"headServiceAnnotations", "managedBy", "rayVersion", "suspend", "upgradeStrategy", "workerGroupSpecs"}
GROUP = {"groupName", "idleTimeoutSeconds", "labels", "maxReplicas", "minReplicas", "numOfHosts", "rayStartParams"}
GROUP |= {"replicas", "resources", "scaleStrategy", "suspend", "template"}
CONTAINER = {"name", "image", "resources", "env", "envFrom", "volumeMounts", "command", "args", "imagePullPolicy"}


def pin(name: str) -> str:
    return re.search(rf"^{name}==(\S+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE).group(1)


def torch() -> str:
    return re.search(r"^TORCH \?= (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE).group(1)


# The image


def test_the_image_holds_the_ray_python_and_torch_of_this_project():
    ray, python = re.search(r"^FROM rayproject/ray:([\d.]+)-py(\d+)-\w+$", DOCKERFILE, re.MULTILINE).groups()
    assert ray == pin("ray")
    cluster = yaml.safe_load((ROOT / "cluster.yaml").read_text())["docker"]["image"]
    assert f"rayproject/ray:{ray}-py{python}-" in cluster
    assert f"'{torch()}'" in DOCKERFILE


def test_what_the_image_copies_is_there_and_not_ignored():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    copied = [
        word for line in re.findall(r"^COPY --chown=\S+ (.+) \S+$", DOCKERFILE, re.MULTILINE) for word in line.split()
    ]
    assert copied
    for name in copied:
        assert (ROOT / name).exists(), name
        assert f"!{name}" in ignored, name
    # What setuptools reads of the project must be among them.
    for needed in ("pyproject.toml", "README.md", "LICENSE", "raysep"):
        assert needed in copied
    assert "--constraint /home/ray/raysep/constraints.txt" in DOCKERFILE


# Kubernetes


@pytest.fixture(scope="module")
def job() -> dict:
    return yaml.safe_load((ROOT / "deploy" / "rayjob.yaml").read_text())


def test_the_fields_of_the_rayjob_are_those_of_kuberay(job):
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    spec = job["spec"]
    cluster = spec["rayClusterSpec"]
    assert set(spec) <= JOB
    assert set(cluster) <= CLUSTER
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        assert set(group) <= GROUP
        assert all(
            isinstance(value, str) for value in group["rayStartParams"].values()
        )  # Kubernetes takes no numbers here
        for container in group["template"]["spec"]["containers"]:
            assert set(container) <= CONTAINER
            mounted = {mount["name"] for mount in container.get("volumeMounts", [])}
            assert mounted == {volume["name"] for volume in group["template"]["spec"].get("volumes", [])}


def test_the_rayjob_ends_is_guarded_and_has_gpus(job):
    spec, cluster = job["spec"], job["spec"]["rayClusterSpec"]
    assert cluster["rayVersion"] == pin("ray")
    assert cluster["authOptions"]["mode"] == "token"
    assert spec["shutdownAfterJobFinishes"]
    assert spec["activeDeadlineSeconds"] > 3600
    (group,) = cluster["workerGroupSpecs"]
    assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    (worker,), (head,) = (g["template"]["spec"]["containers"] for g in (group, cluster["headGroupSpec"]))
    assert worker["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert worker["image"] == head["image"]
    # The storage's key is in a Secret on every node, and nowhere in the file.
    assert [c["envFrom"] for c in (worker, head)] == [[{"secretRef": {"name": "raysep-storage"}}]] * 2
    assert not any("SECRET" in variable["name"] for c in (worker, head) for variable in c["env"])


def test_the_command_of_the_rayjob_is_accepted_by_the_parser(job):
    words = words_of(job["spec"]["entrypoint"].removeprefix("python -m "))
    assert parse(words)["out"].startswith("s3://")


# Slurm

FAKES = {
    "scontrol": "printf 'gpu-01\ngpu-02\n'",
    "srun": 'printf "srun %s\n" "$*" >> "$LOG"; while [[ $1 == --* ]]; do shift; done; exec "$@"',
    "hostname": "echo '10.0.0.7 172.17.0.1 '",
    "ray": 'printf "ray %s\n" "$*" >> "$LOG"; echo "mode $RAY_AUTH_MODE" >> "$LOG"; stat -c "%a %s" "$RAY_AUTH_TOKEN_PATH" >> "$LOG"; exit "${ENDS:-0}"',
}


@pytest.fixture
def slurm(tmp_path):
    """slurm(words…) → (exit code, standard error, what was called), with the programs of a Slurm node made up."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, body in FAKES.items():
        (programs / name).write_text(f"#!/usr/bin/env bash\n{body}\n")
        (programs / name).chmod(0o755)
    (programs / "python").symlink_to(sys.executable)
    (programs / "activate").write_text(f"export PATH={programs}:$PATH\n")
    log = tmp_path / "log"
    job = {"SLURM_JOB_ID": "41007", "SLURM_JOB_NODELIST": "gpu-[01-02]", "SLURM_JOB_NUM_NODES": "2"}

    def run(*words: str, **environment: str) -> tuple[int, str, list[str]]:
        log.write_text("")
        mine = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LOG": str(log), "RAYSEP_ENVIRONMENT": str(tmp_path)}
        done = subprocess.run(
            ["bash", str(SLURM), *words], env=mine | job | environment, capture_output=True, text=True, timeout=60
        )
        return done.returncode, done.stderr, log.read_text().splitlines()

    return run


def test_the_slurm_job_runs_the_command_on_a_guarded_cluster_of_all_its_nodes(slurm, tmp_path):
    code, errors, told = slurm("clean", "/shared/my corpus", "--out", "/shared/runs/first")
    assert (code, errors) == (0, "")
    address = "10.0.0.7:21007"
    assert told[0].startswith("srun --nodes=1 --ntasks=1 --nodelist=gpu-01 hostname")
    assert told[1].startswith("srun --nodes=2 --ntasks=2 --ntasks-per-node=1 ray symmetric-run")
    command = f"python -m raysep clean /shared/my corpus --out /shared/runs/first --address {address}"
    assert told[2] == f"ray symmetric-run --address {address} --min-nodes 2 -- {command}"
    assert told[3:] == ["mode token", "600 65"]  # 64 digits, and nobody else may read them
    assert not list(tmp_path.glob(".raysep-token*"))


def test_the_slurm_job_ends_as_its_command_does(slurm, tmp_path):
    code, _, _ = slurm("clean", "CORPUS", ENDS="3")
    assert code == 3
    assert not list(tmp_path.glob(".raysep-token*"))


def test_the_slurm_script_without_a_command_or_a_job_says_what_to_do(slurm):
    code, errors, told = slurm()
    assert (code, told) == (2, [])
    assert errors == "slurm.sh: say what to run, as: sbatch slurm.sh clean CORPUS --reference REF --out RUN\n"
    code, errors, _ = slurm("clean", SLURM_JOB_ID="")
    assert code != 0
    assert "give it to sbatch" in errors


def test_the_slurm_script_is_clean_for_shellcheck():
    assert SLURM.stat().st_mode & stat.S_IXUSR
    program = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if not program:
        pytest.skip("shellcheck is not installed")
    done = subprocess.run([program, str(SLURM)], capture_output=True, text=True, timeout=60)
    assert done.stdout == ""


def test_the_examples_of_the_slurm_script_are_commands():
    for line in re.findall(r"^#   sbatch (.+)$", SLURM.read_text(), re.MULTILINE):
        words = line.partition("deploy/slurm.sh ")[2]
        if "…" not in words:
            parse(words_of(f"raysep {words}"))
