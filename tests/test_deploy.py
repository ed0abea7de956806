"""The deployment files of docs/deploy: whole, in the syntax of what reads them, and with the fields that matter."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from qpareto.search.run.stopping import STOPPED

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "docs" / "deploy"
RECIPES = (ROOT / "docs" / "fleet-recipes.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def kubernetes() -> dict[tuple[str, str], Any]:
    """Objects by kind and name."""
    found = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text(encoding="utf-8")))
    assert all(each["apiVersion"] for each in found)
    return {(each["kind"], each["metadata"]["name"]): each for each in found}


def test_every_file_is_named_by_the_recipes_and_every_named_file_is_there() -> None:
    named = set(re.findall(r"\(deploy/([^)]+)\)", RECIPES))
    assert named == {path.name for path in DEPLOY.iterdir()}


def test_the_slurm_script_is_bash_that_asks_for_what_it_needs() -> None:
    script = DEPLOY / "slurm-array.sh"
    subprocess.run(["bash", "-n", script], check=True)
    done = subprocess.run(["bash", script], check=False, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"})
    assert done.returncode != 0
    assert "name the study file" in done.stderr
    directives = dict(re.findall(r"^#SBATCH --([a-z-]+)=(\S+)$", script.read_text(), re.MULTILINE))
    assert directives.keys() >= {"array", "gres", "time", "signal"}
    assert directives["signal"].startswith("TERM@"), "of the steps, not of the batch shell alone"
    assert f'"$status" -eq {STOPPED}' in script.read_text()


@pytest.mark.parametrize(("status", "queued_anew"), [(0, False), (1, False), (STOPPED, True)])
def test_a_slurm_task_is_queued_anew_only_if_its_worker_was_stopped(
    tmp_path: Path, status: int, queued_anew: bool
) -> None:
    """With stand-ins for Slurm's two commands: what is proved is the script, not Slurm."""
    (tmp_path / "srun").write_text(f'#!/bin/sh\necho "$QPARETO_LOCK_DIR|$*" > {tmp_path}/ran\nexit {status}\n')
    (tmp_path / "scontrol").write_text(f"#!/bin/sh\necho $* > {tmp_path}/requeued\n")
    for name in ("srun", "scontrol"):
        (tmp_path / name).chmod(0o755)
    told = {"STUDY": "a study.yaml", "QPARETO_SHARED": f"{tmp_path}/shared", "QPARETO_STORAGE": "sqlite:///s3cret.db"}
    slurm = {"SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "3"}
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"} | told | slurm
    done = subprocess.run(["bash", DEPLOY / "slurm-array.sh"], check=False, env=environment)
    assert done.returncode == status
    locks, command = (tmp_path / "ran").read_text().strip().split("|")
    assert Path(locks).is_dir()
    assert command.startswith("qpareto worker a study.yaml --set storage=${QPARETO_STORAGE} --set cache=")
    assert "s3cret" not in command, "whoever lists processes sees no password"
    assert (tmp_path / "requeued").exists() == queued_anew


def test_the_kubernetes_job_ends_with_its_study_and_restarts_who_was_stopped(kubernetes: Any) -> None:
    job = kubernetes["Job", "qpareto"]["spec"]
    assert "completions" not in job, "else one worker that ends well would be replaced"
    assert job["parallelism"] > 1
    pod = job["template"]["spec"]
    assert pod["restartPolicy"] == "Never", "podFailurePolicy asks for it"
    ignored = [rule for rule in job["podFailurePolicy"]["rules"] if rule["action"] == "Ignore"]
    assert [rule["onExitCodes"]["values"] for rule in ignored if "onExitCodes" in rule] == [[STOPPED]]
    assert any({"type": "DisruptionTarget"} in rule.get("onPodConditions", []) for rule in ignored)
    assert pod["terminationGracePeriodSeconds"] >= 600
    (worker,) = pod["containers"]
    assert worker["args"][0] == "worker"
    assert worker["resources"]["limits"]["nvidia.com/gpu"] == 1


def test_pods_of_a_node_share_a_lock_folder_and_all_share_the_cache(kubernetes: Any) -> None:
    pod = kubernetes["Job", "qpareto"]["spec"]["template"]["spec"]
    (worker,) = pod["containers"]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    mounts = {mount["mountPath"]: volumes[mount["name"]] for mount in worker["volumeMounts"]}
    locks = next(one["value"] for one in worker["env"] if one["name"] == "QPARETO_LOCK_DIR")
    assert mounts[locks]["hostPath"]["type"] == "DirectoryOrCreate"
    claim = mounts["/qpareto"]["persistentVolumeClaim"]["claimName"]
    assert kubernetes["PersistentVolumeClaim", claim]["spec"]["accessModes"] == ["ReadWriteMany"]


def test_the_password_is_in_the_secret_alone(kubernetes: Any) -> None:
    secret = kubernetes["Secret", "qpareto"]["stringData"]
    url = secret["QPARETO_STORAGE"]
    assert url == "postgresql+psycopg://qpareto:CHANGE-ME@qpareto-db:5432/qpareto"
    assert kubernetes["Service", "qpareto-db"]["spec"]["ports"] == [{"port": 5432}]
    others = yaml.safe_dump([each for key, each in kubernetes.items() if key[0] != "Secret"])
    assert "postgresql" not in others
    assert all(
        "value" not in one for one in env_of(kubernetes) if "PASSWORD" in one["name"] or "STORAGE" in one["name"]
    )


def env_of(kubernetes: Any) -> list[dict[str, Any]]:
    specs = [each["spec"]["template"]["spec"] for each in kubernetes.values() if "template" in each.get("spec", {})]
    return [one for spec in specs for container in spec["containers"] for one in container["env"]]


def test_the_compose_file_shares_locks_and_listens_at_home_only() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))["services"]
    assert all(port.startswith("127.0.0.1:") for port in services["db"]["ports"])
    assert any(mount.startswith("locks:/locks") for mount in services["worker"]["volumes"])
    assert services["worker"]["environment"]["QPARETO_LOCK_DIR"] == "/locks"
    assert (DEPLOY / services["worker"]["build"]["context"] / services["worker"]["build"]["dockerfile"]).is_file()


def test_the_image_installs_extras_that_exist() -> None:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    extras = set(re.findall(r"EXTRAS=([\w-]+(?:,[\w-]+)*)", text)) | set(re.findall(r"qpareto\[([\w,-]+)\]", RECIPES))
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert all(re.search(rf"^{name} = \[", project, re.MULTILINE) for some in extras for name in some.split(","))
