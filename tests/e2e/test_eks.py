"""A whole run on a cluster: a stand-in of its API server, and an emulated endpoint behind the service's address."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from fmbench_lib.emulator import Behaviour, Constant, Emulator, launch
from tests.deploy.cluster_objects import DEPLOYMENT, SERVICE
from tests.deploy.cluster_stand_in import ClusterStandIn, cluster_stand_in, kubeconfig, running, waiting
from tests.e2e.conftest import Finished

HF_TOKEN = "hf_DistinctiveFakeTokenOfTheTests"
CLUSTER_TOKEN = "distinctive-cluster-token"
SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "hub", "namespace": "llm"},
    "stringData": {"HF_TOKEN": "${HF_TOKEN}"},
}


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with launch(Behaviour(ttft=Constant(0.02), itl=Constant(0.005), tokens=Constant(5))) as made:
        yield made


@pytest.fixture
def cluster(tmp_path: Path, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[ClusterStandIn]:
    monkeypatch.setenv("HF_TOKEN", HF_TOKEN)
    with cluster_stand_in(pods=[running()]) as made:
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path / "kubeconfig", made.url)))
        port = int(emulator.base_url.rpartition(":")[2])
        spec = {**SERVICE["spec"], "ports": [{"port": port, "targetPort": 8000}]}
        (tmp_path / "manifests").mkdir()
        manifest = tmp_path / "manifests" / "server.yml"
        manifest.write_text(yaml.safe_dump_all([SECRET, DEPLOYMENT, {**SERVICE, "spec": spec}]))
        yield made


def on_a_cluster(name: str, **eks: Any) -> dict[str, Any]:
    settings = {"manifest_dir": "manifests", "manifest_file": "server.yml", **eks}
    return {"name": name, "platform": "eks", "protocol": "openai", "deploy": True, "eks": settings}


@pytest.mark.thorough
def test_a_run_deploys_measures_and_deletes_and_what_fails_costs_the_others_nothing(
    cluster: ClusterStandIn, tmp_path: Path, write_config: Callable[..., Path], fmbench: Callable[..., Finished]
) -> None:
    broken = {**DEPLOYMENT, "metadata": {"name": "broken", "namespace": "llm"}}
    service = {**SERVICE, "metadata": {"name": "broken", "namespace": "llm"}}
    (tmp_path / "manifests" / "broken.yml").write_text(yaml.safe_dump_all([broken, service]))
    cluster.pods_of["broken"] = [waiting("ImagePullBackOff", "manifest unknown")]
    steps = {"4_model_metric_analysis": False, "5_cleanup": True}
    experiments = [on_a_cluster("server"), on_a_cluster("broken", manifest_file="broken.yml")]
    config = write_config(experiments, run_steps=steps)
    done = fmbench("--config-file", config)
    assert done.code == 1, done.out + done.err
    endpoints = done.read("endpoints.json")
    assert "image example/server:1 cannot be pulled (ImagePullBackOff)" in endpoints["broken"]["error"]
    records = pd.concat(pd.read_parquet(path) for path in done.run.glob("requests/*/*/*.parquet"))
    assert set(records["experiment_name"]) == {"server"}
    assert (len(records), records["error"].isna().all()) == (20, True)
    assert cluster.names() == []
    assert [one["deleted_at"] is None for one in endpoints.values()] == [False, False]
    everything = b"".join(path.read_bytes() for path in done.run.rglob("*") if path.is_file())
    for secret in (HF_TOKEN, CLUSTER_TOKEN):
        assert secret.encode() not in everything + done.out.encode() + done.err.encode()
