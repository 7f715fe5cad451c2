"""Models compiled for Neuron on the way: what for, by which command, placed in S3, used again; and what goes wrong."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from moto import mock_aws

from fmbench_lib import aws
from fmbench_lib.config import Experiment
from fmbench_lib.deploy import DeployContext, Endpoint, neuron_compile, platform, process
from fmbench_lib.deploy.neuron import commands, compilation_of, is_compiled, program_command
from fmbench_lib.deploy.neuron_compile import ensure_compiled, with_compiled
from fmbench_lib.deploy.sagemaker_container import Making, container_of
from fmbench_lib.deploy.sagemaker_recipe import recipe_of
from fmbench_lib.deploy.sagemaker_resources import planned, remove
from fmbench_lib.errors import DeployError
from tests.deploy.conftest import Notes
from tests.deploy.on_aws import HF_TOKEN, artifacts, asking

SAGEMAKER = platform("sagemaker")
WEIGHTS = "s3://runs/lmi/model/model-split"
PROPERTIES = f"""
engine=Python
option.entryPoint=djl_python.transformers_neuronx
option.model_id={WEIGHTS}/
option.load_split_model=True
option.tensor_parallel_degree=24
option.n_positions=8192
option.max_rolling_batch_size=8
option.dtype=fp16
option.neuron_optimize_level=2
"""
PLACED = [
    "lmi/model/fmbench-neuron.json",
    "lmi/model/model-split/config.json",
    "lmi/model/model-split/pytorch_model.bin/p0",
    "lmi/model/model-split/tokenizer.json",
    "lmi/model/neuronx_artifacts/graph.neff",
]

# What the SDK's libraries do, as far as our program calls them; torch itself is not needed for that.
TRANSFORMERS = """
from pathlib import Path
class _Auto:
    @classmethod
    def from_pretrained(cls, path, **options):
        assert (Path(path) / "config.json").is_file(), path
        return cls()
    def save_pretrained(self, path):
        (Path(path) / "tokenizer.json").write_text("{}")
AutoModelForCausalLM = AutoTokenizer = _Auto
"""
TRANSFORMERS_NEURONX = """
import json, os, time
from pathlib import Path
class NeuronAutoModelForCausalLM:
    @classmethod
    def from_pretrained(cls, path, **options):
        made = cls()
        made.asked = {**options, "cores": os.environ["NEURON_RT_NUM_CORES"], "flags": os.environ["NEURON_CC_FLAGS"],
                      "token": os.environ.get("HF_TOKEN")}
        return made
    def to_neuron(self):
        if os.environ.get("FAKE_NEURON") == "hang":
            time.sleep(600)
        if os.environ.get("FAKE_NEURON"):
            raise RuntimeError(os.environ["FAKE_NEURON"])
    def save(self, path):
        filling = bytes(int(os.environ.get("BYTES", 0)))
        (Path(path) / "graph.neff").write_bytes(json.dumps(self.asked).encode() + filling)
"""
MODULE = """
from pathlib import Path
def save_pretrained_split(model, path):
    (Path(path) / "pytorch_model.bin").mkdir()
    (Path(path) / "pytorch_model.bin" / "p0").write_bytes(b"piece")
    (Path(path) / "config.json").write_text("{}")
"""


def compiled_experiment(**changes: Any) -> Experiment:
    facts: dict[str, Any] = {
        "model_data": None,
        "model_id": "org/model",
        "bucket": "runs",
        "deployment_script": "neuron_deploy.py",
        "instance_type": "ml.inf2.48xlarge",
        "prefix": "lmi",
        "ec2": {"batch_size": 1, "num_neuron_cores": 24, "neuron_version": "2.19.1"},
        "serving_properties": PROPERTIES,
    }
    return artifacts(**{**facts, **changes})


@pytest.fixture(autouse=True)
def machine(aws_environment: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with a cache of its own, and no Neuron SDK."""
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("FMBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr(neuron_compile, "_POLL_S", 0.01)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """S3 as moto has it, with one bucket."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        made: Any = aws.client("s3", "us-east-1")
        made.create_bucket(Bucket="runs")
        yield made


@pytest.fixture
def sdk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A compiler on PATH with the Python beside it, and a model in the hub's cache; the folder of its commands."""
    tools, libraries, model = tmp_path / "sdk" / "bin", tmp_path / "sdk" / "lib", tmp_path / "hub" / "snapshot"
    (libraries / "transformers_neuronx").mkdir(parents=True)
    (libraries / "transformers.py").write_text(TRANSFORMERS)
    (libraries / "transformers_neuronx" / "__init__.py").write_text(TRANSFORMERS_NEURONX)
    (libraries / "transformers_neuronx" / "module.py").write_text(MODULE)
    tools.mkdir()
    for name, script in {
        "neuronx-cc": "echo NeuronX Compiler version 2.14.227.0",
        "python3": f'PYTHONPATH={shlex.quote(str(libraries))} exec {sys.executable} -S "$@"',
    }.items():
        (tools / name).write_text(f"#!/bin/sh\n{script}\n")
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    model.mkdir(parents=True)
    (model / "config.json").write_text("{}")

    def snapshot(model_id: str, token: str | bool) -> str:
        assert (model_id, token) == ("org/model", HF_TOKEN)
        return str(model)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    return tools


def keys(s3: Any) -> list[str]:
    return [one["Key"] for one in s3.list_objects_v2(Bucket="runs").get("Contents", [])]


Compile = Callable[..., tuple[str, Notes, list[list[dict[str, Any]]]]]


@pytest.fixture
def compile_model(tmp_path: Path) -> Compile:
    """Compiles; the address, what was said, and what was written down."""

    def run(experiment: Experiment | None = None, **changes: Any) -> tuple[str, Notes, list[list[dict[str, Any]]]]:
        context, notes = asking(tmp_path)
        noted: list[list[dict[str, Any]]] = []
        given: DeployContext = replace(context, hf_token=HF_TOKEN, **changes)
        address = ensure_compiled(experiment or compiled_experiment(), "us-east-1", given, noted.append)
        return address, notes, noted

    return run


# -- what is compiled --------------------------------------------------------------------------------------------------


def test_what_the_config_says_is_what_is_compiled_for() -> None:
    found = compilation_of(compiled_experiment())
    assert str(found.settings) == "24 Neuron cores, batch size 1, 8192 positions, f16, Neuron SDK 2.19.1"
    assert (found.settings.split, found.settings.level) == (True, 2)
    assert (found.weights, found.artifacts) == (WEIGHTS, "s3://runs/lmi/model/neuronx_artifacts")
    assert found.notes() == [
        "ec2.batch_size is 1, option.max_rolling_batch_size 8: the server will compile again for what it serves"
    ]


@pytest.mark.parametrize(
    ("changes", "weights"),
    [
        ({"serving_properties": None}, "s3://runs/lmi/model/model-split"),
        ({"serving_properties": "option.model_id=org/model"}, "s3://runs/lmi/model/model-split"),
        (
            {"serving_properties": None, "model_id_wo_repo": "M", "model_id_wo_repo_split": "M-s", "prefix": "a/b/"},
            "s3://runs/a/b/M/M-s",
        ),
        ({"serving_properties": None, "prefix": None}, "s3://runs/neuron/model/model-split"),
        ({"serving_properties": None, "model_s3_path": "s3://other/x/y/"}, "s3://other/x/y"),
    ],
)
def test_where_a_compiled_model_is_placed(changes: dict[str, Any], weights: str) -> None:
    assert compilation_of(compiled_experiment(**changes)).weights == weights


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_id": None}, "needs model_id"),
        ({"ec2": {"num_neuron_cores": 12}}, r"ec2\.num_neuron_cores is 12, option\.tensor_parallel_degree 24"),
        ({"ec2": None, "serving_properties": "option.dtype=fp16"}, r"needs ec2\.num_neuron_cores"),
        ({"serving_properties": "option.dtype=int8"}, r"option\.dtype is int8; Neuron computes in fp16, bf16"),
        ({"serving_properties": "option.model_id=s3://runs/x"}, "too near the top of its bucket"),
        ({"serving_properties": None, "bucket": "{write_bucket}"}, "need a bucket: give --write-bucket"),
    ],
)
def test_what_is_lacking_is_said(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DeployError, match=message):
        compilation_of(compiled_experiment(**changes))


def test_which_experiments_are_compiled() -> None:
    assert is_compiled(compiled_experiment())
    assert is_compiled(compiled_experiment(platform="ec2", deployment_script=None))
    assert not is_compiled(compiled_experiment(deploy=False))
    assert not is_compiled(compiled_experiment(deployment_script=None, ec2={"batch_size": 4}))


def test_a_plan_says_the_exact_commands_on_a_machine_without_a_compiler() -> None:
    said = SAGEMAKER.plan(compiled_experiment())
    start = "deploys org/model on 1 × ml.inf2.48xlarge in us-east-1 (DJL, serving.properties); its model is taken from "
    assert said.startswith(
        f"{start}{WEIGHTS} where it is there, else compiled beforehand, since this machine has no neuronx-cc: "
        "hf download org/model --local-dir model && NEURON_RT_NUM_CORES=24 "
        "NEURON_CC_FLAGS='--model-type=transformer -O2' python3 /"
    )
    assert (
        "neuron_program.py --model=model --artifacts=./neuronx_artifacts --batch-size=1 --cores=24 --positions=8192 "
        f"--amp=f16 --split=./weights && aws s3 cp --recursive weights {WEIGHTS}/ && aws s3 cp --recursive "
        "neuronx_artifacts s3://runs/lmi/model/neuronx_artifacts/ (for 24 Neuron cores, batch size 1"
    ) in said
    assert said.endswith("option.max_rolling_batch_size 8: the server will compile again for what it serves)")
    incomplete = compiled_experiment(ec2=None, serving_properties=f"option.model_id={WEIGHTS}")
    assert "must be compiled, and stand at" in SAGEMAKER.plan(incomplete)


def test_a_plan_says_that_it_is_compiled_here_where_the_sdk_is(sdk: Path) -> None:
    assert f"where it is there, else compiled here by {sdk}/neuronx-cc (for 24" in SAGEMAKER.plan(compiled_experiment())


def test_the_command_is_one_that_the_program_takes(sdk: Path, tmp_path: Path) -> None:
    """The commands of a plan, without those of other tools, typed in a shell."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    typed = commands(compilation_of(compiled_experiment()), {}).split(" && ")[1]
    subprocess.run(typed, shell=True, check=True, cwd=tmp_path, stdout=subprocess.DEVNULL)
    assert json.loads((tmp_path / "compiled.json").read_text())["compiler"] == "NeuronX Compiler version 2.14.227.0"


# -- compiled, placed, used again --------------------------------------------------------------------------------------


def test_a_model_is_compiled_and_placed_and_used_again(
    s3: Any, sdk: Path, compile_model: Compile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BYTES", "9000000")
    address, notes, noted = compile_model()
    assert address == WEIGHTS
    assert keys(s3) == PLACED
    assert [len(one) for one in noted] == [1, 5, 0]  # the compiler, what is uploaded, nothing: it stays
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
    assert any(line == "9 MB placed at s3://runs/lmi/model, where they stay after the run" for line in notes.said)

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


def test_what_another_run_left_unfinished_is_done_again_without_compiling_again(
    s3: Any, sdk: Path, compile_model: Compile, monkeypatch: pytest.MonkeyPatch
) -> None:
    compile_model()
    s3.put_object(Bucket="runs", Key=PLACED[0], Body=json.dumps({"complete": False, "settings": {}}))
    s3.delete_object(Bucket="runs", Key=PLACED[-1])
    monkeypatch.setenv("FAKE_NEURON", "it is not asked again")
    _, notes, _ = compile_model()
    assert keys(s3) == PLACED
    assert any("has it compiled already" in line for line in notes.said)


def test_files_that_somebody_else_compiled_are_used_as_they_are(s3: Any, compile_model: Compile) -> None:
    s3.put_object(Bucket="runs", Key="lmi/model/model-split/config.json", Body=b"{}")
    address, notes, noted = compile_model()
    assert (address, noted) == (WEIGHTS, [])
    assert "which fmbench did not compile: they are used as they are" in notes.said[0]


def test_a_sagemaker_endpoint_serves_what_was_compiled(s3: Any, sdk: Path, tmp_path: Path) -> None:
    context, _ = asking(tmp_path)
    endpoint = Endpoint("e", "sagemaker", owned=True, resources=tuple(planned("made", "us-east-1", "run")))
    making = Making(endpoint, replace(context, hf_token=HF_TOKEN))
    experiment = compiled_experiment(serving_properties="option.tensor_parallel_degree=24\noption.model_id=org/model")
    container = container_of(experiment, recipe_of(experiment), making)
    assert container["ModelDataUrl"] == "s3://runs/fmbench/run/made/model.tar.gz"
    assert HF_TOKEN not in repr(container)
    assert [one["kind"] for one in making.endpoint.resources] == ["s3_object", "model", "endpoint_config", "endpoint"]
    remove(making.endpoint.resources[0])
    assert keys(s3) == PLACED  # what took hours stays


def test_on_ec2_the_compiled_model_takes_the_place_of_the_one_that_is_named(s3: Any, sdk: Path, tmp_path: Path) -> None:
    context, _ = asking(tmp_path)
    experiment = compiled_experiment(platform="ec2", serving_properties="option.model_id=org/model")
    served = with_compiled(experiment, "us-east-1", replace(context, hf_token=HF_TOKEN), lambda _: None)
    assert served.serving_properties == f"option.model_id={WEIGHTS}\n"
    plain = compiled_experiment(deployment_script=None, ec2=None)
    assert with_compiled(plain, "us-east-1", context, lambda _: None) is plain


# -- failing -----------------------------------------------------------------------------------------------------------


def test_without_a_compiler_the_error_says_what_to_run_where(s3: Any, compile_model: Compile) -> None:
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


def test_a_model_that_the_hub_does_not_give(
    s3: Any, sdk: Path, compile_model: Compile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gated(*_: Any, **__: Any) -> str:
        raise OSError(f"403: access to org/model is restricted\n(token {HF_TOKEN})")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", gated)
    with pytest.raises(DeployError, match="org/model cannot be fetched from Hugging Face: 403: access") as failed:
        compile_model()
    assert HF_TOKEN not in str(failed.value)


def test_a_bucket_that_takes_nothing(s3: Any, sdk: Path, compile_model: Compile) -> None:
    with pytest.raises(DeployError, match="looking for s3://nobodys/x/y/: NoSuchBucket"):
        compile_model(compiled_experiment(serving_properties="option.model_id=s3://nobodys/x/y"))


def test_an_upload_that_breaks_off_is_deleted_by_the_cleanup(
    s3: Any, sdk: Path, compile_model: Compile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fmbench_lib.deploy import neuron_store

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


def test_an_interrupted_compiler_goes_on_until_the_cleanup_ends_it(
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


def test_a_compiler_that_was_never_noted_down_ends_by_itself(sdk: Path, tmp_path: Path) -> None:
    settings = compilation_of(compiled_experiment()).settings
    command = [*program_command(str(sdk / "python3"), settings, str(tmp_path), str(tmp_path)), "--wait"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, check=False, timeout=60)
    assert done.returncode == 0
    assert not (tmp_path / "neuronx_artifacts").exists()


def test_two_that_want_the_same_model_compile_it_once(
    s3: Any, sdk: Path, compile_model: Compile, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    folder = neuron_compile.cache_folder() / "neuron" / compilation_of(compiled_experiment()).settings.key()
    folder.mkdir(parents=True)
    lock = (folder / ".lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    _, notes, _ = compile_model(pause=lambda _: lock.close())
    assert "waiting for another process that compiles the same model" in notes.said[1]
    assert keys(s3) == PLACED
