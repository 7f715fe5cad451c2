"""Models that are compiled, uploaded to S3 and reused; and the failures on the way."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest

from fmbench_lib.deploy import Endpoint, platform
from fmbench_lib.deploy.neuron import compile as neuron_compile
from fmbench_lib.deploy.neuron.compile import ensure_compiled, with_compiled
from fmbench_lib.deploy.neuron.settings import compilation_of, program_command
from fmbench_lib.deploy.sagemaker.model_container import MakingSageMaker, container_of
from fmbench_lib.deploy.sagemaker.recipe import recipe_of
from fmbench_lib.deploy.sagemaker.resources import planned, remove
from fmbench_lib.errors import DeployError
from fmbench_lib.host import process
from tests.deploy.neuron.conftest import PLACED, PROPERTIES, WEIGHTS, Compile, compiled_experiment, keys
from tests.deploy.on_aws import HF_TOKEN, asking

# -- compiled, placed, used again --------------------------------------------------------------------------------------


def test_a_model_is_compiled_uploaded_and_reused(
    s3: Any, sdk: Path, compile_model: Compile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BYTES", "9000000")
    address, notes, noted = compile_model()
    assert address == WEIGHTS
    assert keys(s3) == PLACED
    assert [len(item) for item in noted] == [1, 5, 0]  # the compiler, what is uploaded, nothing: it stays
    marker = json.loads(s3.get_object(Bucket="runs", Key=PLACED[0])["Body"].read())
    assert (marker["complete"], marker["run_id"]) == (True, "run")
    assert (marker["compiler"], marker["settings"]["cores"]) == ("NeuronX Compiler version 2.14.227.0", 24)
    graph = s3.get_object(Bucket="runs", Key=PLACED[-1])
    asked = json.loads(graph["Body"].read().rstrip(b"\0"))
    assert asked == {
        "batch_size": 1,
        "tp_degree": 24,
        "n_positions": 8192,
        "amp": "f16",
        "cores": "24",
        "flags": "--model-type=transformer -O2",
        "token": None,
    }
    assert graph["ETag"].endswith('-2"')  # sent in parts
    assert any(line == "9 MB uploaded to s3://runs/lmi/model; they stay there after the run" for line in notes.said)

    (sdk / "neuronx-cc").unlink()
    again = compile_model()
    assert again[0] == WEIGHTS
    assert again[2] == []
    assert again[1].said == [
        f"{WEIGHTS} is used as it is: compiled by run run for 24 Neuron cores, batch size 1, 8192 positions, f16, "
        "Neuron SDK 2.19.1 (NeuronX Compiler version 2.14.227.0)"
    ]
    with pytest.raises(DeployError, match=r"compiled for something else \(positions 8192, not 4096\): write another"):
        compile_model(compiled_experiment(serving_properties=PROPERTIES.replace("8192", "4096")))
    everything = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert HF_TOKEN.encode() not in everything
    assert HF_TOKEN not in repr((notes, noted))


def test_an_incomplete_upload_is_repeated_without_compiling_again(
    s3: Any, sdk: Path, compile_model: Compile, monkeypatch: pytest.MonkeyPatch
) -> None:
    compile_model()
    s3.put_object(Bucket="runs", Key=PLACED[0], Body=json.dumps({"complete": False, "settings": {}}))
    s3.delete_object(Bucket="runs", Key=PLACED[-1])
    monkeypatch.setenv("FAKE_NEURON", "it is not asked again")
    _, notes, _ = compile_model()
    assert keys(s3) == PLACED
    assert any("already has the compiled model" in line for line in notes.said)


def test_files_that_fmbench_did_not_compile_are_used_as_they_are(s3: Any, compile_model: Compile) -> None:
    s3.put_object(Bucket="runs", Key="lmi/model/model-split/config.json", Body=b"{}")
    address, notes, noted = compile_model()
    assert (address, noted) == (WEIGHTS, [])
    assert "that fmbench did not compile: they are used as they are" in notes.said[0]


def test_a_sagemaker_endpoint_serves_what_was_compiled(s3: Any, sdk: Path, tmp_path: Path) -> None:
    context, _ = asking(tmp_path)
    endpoint = Endpoint("e", "sagemaker", owned=True, resources=tuple(planned("made", "us-east-1", "run")))
    making = MakingSageMaker(endpoint, replace(context, hf_token=HF_TOKEN))
    experiment = compiled_experiment(serving_properties="option.tensor_parallel_degree=24\noption.model_id=org/model")
    container = container_of(experiment, recipe_of(experiment), making)
    assert container["ModelDataUrl"] == "s3://runs/fmbench/run/made/model.tar.gz"
    assert HF_TOKEN not in repr(container)
    assert [item["kind"] for item in making.endpoint.resources] == ["s3_object", "model", "endpoint_config", "endpoint"]
    remove(making.endpoint.resources[0])
    assert keys(s3) == PLACED  # what took hours stays


def test_on_ec2_the_compiled_model_replaces_the_configured_one(s3: Any, sdk: Path, tmp_path: Path) -> None:
    context, _ = asking(tmp_path)
    experiment = compiled_experiment(platform="ec2", serving_properties="option.model_id=org/model")
    served = with_compiled(experiment, "us-east-1", replace(context, hf_token=HF_TOKEN), lambda _: None)
    assert served.serving_properties == f"option.model_id={WEIGHTS}\n"
    plain = compiled_experiment(deployment_script=None, ec2=None)
    assert with_compiled(plain, "us-east-1", context, lambda _: None) is plain


# -- failing -----------------------------------------------------------------------------------------------------------


def test_without_a_compiler_the_error_has_the_commands(s3: Any, compile_model: Compile) -> None:
    with pytest.raises(DeployError, match=r"no compiled model at .*no neuronx-cc .*hf download org/model .*aws s3 cp"):
        compile_model()
    assert keys(s3) == []


@pytest.mark.parametrize(
    ("trouble", "message"),
    [
        ("[NCC_EVRF007] out of memory", r"compiling exited with code 1; its log ends: .*NCC_EVRF007.*out of memory"),
        ("[Errno 28] No space left on device", r"its log ends: .*No space left on device"),
    ],
)
def test_a_compiler_that_fails_says_why_and_leaves_nothing_in_s3(
    s3: Any, sdk: Path, compile_model: Compile, monkeypatch: pytest.MonkeyPatch, trouble: str, message: str
) -> None:
    monkeypatch.setenv("FAKE_NEURON", trouble)
    with pytest.raises(DeployError, match=message) as failed:
        compile_model()
    assert "\n" not in str(failed.value)
    assert keys(s3) == []
    monkeypatch.delenv("FAKE_NEURON")
    compile_model()  # and the next attempt begins anew
    assert keys(s3) == PLACED


def test_a_model_that_the_hub_refuses(
    s3: Any, sdk: Path, compile_model: Compile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gated(*_: Any, **__: Any) -> str:
        raise OSError(f"403: access to org/model is restricted\n(token {HF_TOKEN})")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", gated)
    with pytest.raises(DeployError, match="cannot download org/model from Hugging Face: 403: access") as failed:
        compile_model()
    assert HF_TOKEN not in str(failed.value)


def test_a_bucket_that_refuses_uploads(s3: Any, sdk: Path, compile_model: Compile) -> None:
    with pytest.raises(DeployError, match=r"reading s3://nobodys/x/.*: there is no bucket of this name"):
        compile_model(compiled_experiment(serving_properties="option.model_id=s3://nobodys/x/y"))


def test_an_interrupted_upload_is_deleted_by_the_cleanup(
    s3: Any, sdk: Path, compile_model: Compile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fmbench_lib.deploy.neuron import store as neuron_store

    sent: list[str] = []

    def breaks(resource: dict[str, Any], path: Path) -> None:
        if len(sent) == 2:
            raise DeployError("uploading: the connection broke")
        sent.append(resource["name"])
        s3.put_object(Bucket="runs", Key=resource["name"], Body=b"x", Metadata={"fmbench-run": resource["run_id"]})

    monkeypatch.setattr(neuron_store, "upload_file", breaks)
    context, _ = asking(tmp_path)
    noted: list[list[dict[str, Any]]] = []
    with pytest.raises(DeployError, match="the connection broke"):
        ensure_compiled(compiled_experiment(), "us-east-1", replace(context, hf_token=HF_TOKEN), noted.append)
    assert len(keys(s3)) == 3
    for resource in noted[-1]:
        remove(resource)
    assert keys(s3) == []


def test_an_interrupted_compiler_is_stopped_by_the_cleanup(
    s3: Any, sdk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_NEURON", "hang")

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    context, _ = asking(tmp_path)
    given = replace(context, hf_token=HF_TOKEN, pause=interrupted)
    noted: list[list[dict[str, Any]]] = []
    with pytest.raises(KeyboardInterrupt):
        ensure_compiled(compiled_experiment(), "us-east-1", given, noted.append)
    ((compiler,),) = noted
    mark = process.ProcessMark(compiler["pid"], compiler["started"], compiler["booted"])
    assert process.running(mark)
    left = Endpoint("e", "ec2", owned=True, resources=(json.loads(json.dumps(compiler)),))
    assert platform("ec2").delete(left).deleted_at is not None
    assert not process.running(mark)
    remove(compiler)  # as SageMaker's deletion does it; once more is no harm
    assert keys(s3) == []


def test_a_compiler_that_was_never_recorded_exits(sdk: Path, tmp_path: Path) -> None:
    settings = compilation_of(compiled_experiment()).settings
    command = [*program_command(str(sdk / "python3"), settings, str(tmp_path), str(tmp_path)), "--wait"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, check=False, timeout=60)
    assert done.returncode == 0
    assert not (tmp_path / "neuronx_artifacts").exists()


def test_two_experiments_compile_the_same_model_once(
    s3: Any, sdk: Path, compile_model: Compile, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    folder = neuron_compile.cache_folder() / "neuron" / compilation_of(compiled_experiment()).settings.key()
    folder.mkdir(parents=True)
    lock = (folder / ".lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    _, notes, _ = compile_model(pause=lambda _: lock.close())
    assert "waiting for another process that is compiling the same model" in notes.said[1]
    assert keys(s3) == PLACED
