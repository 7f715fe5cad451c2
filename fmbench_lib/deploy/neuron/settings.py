"""What a model is compiled for before it is served on Inferentia or Trainium, and the exact commands for it. Pure.

Compiling takes hours and needs AWS's Neuron SDK, so compiled models are kept in S3 and reused.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from fmbench_lib.config import Experiment
from fmbench_lib.config.platforms import platform_facts
from fmbench_lib.deploy.aws_settings import bucket_of, given
from fmbench_lib.deploy.serving_properties import model_line
from fmbench_lib.errors import DeployError

SCRIPT = "neuron_deploy.py"
COMPILER = "neuronx-cc"
PROGRAM = Path(__file__).with_name("compiler_program.py")
WEIGHTS, ARTIFACTS = "weights", "neuronx_artifacts"

_POSITIONS = 4096
_AMP = {"fp16": "f16", "bf16": "bf16", "fp32": "f32", "f16": "f16", "f32": "f32"}


@dataclass(frozen=True, slots=True)
class Settings:
    """What a compiled model depends on: it can serve nothing else. `positions` are tokens of prompt and answer
    together.

    `split` is True where the weights are written in the form that is loaded piece by piece; `level` is the compiler's
    `-O`; `amp` is the computation type: f16, bf16 or f32.
    """

    model_id: str
    batch_size: int
    cores: int
    positions: int
    amp: str
    split: bool
    level: int | None
    neuron_version: str | None

    def __str__(self) -> str:
        return (
            f"{self.cores} Neuron cores, batch size {self.batch_size}, {self.positions} positions, {self.amp}"
            f"{f', Neuron SDK {self.neuron_version}' if self.neuron_version else ''}"
        )

    def key(self) -> str:
        """A folder name that identifies these settings."""
        digest = hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:12]
        return f"{self.model_id.rpartition('/')[2]}-{digest}"


@dataclass(frozen=True, slots=True)
class Compilation:
    """A model to be compiled, and the S3 folders of its weights and of the compiler's artifacts."""

    settings: Settings
    weights: str
    artifacts: str
    served_batch_size: int | None = None

    def notes(self) -> list[str]:
        """Settings that contradict each other but can be used."""
        batch = self.settings.batch_size
        if self.served_batch_size in (None, batch):
            return []
        return [
            f"ec2.batch_size is {batch}, option.max_rolling_batch_size {self.served_batch_size}: the server will "
            "compile the model again for its own batch size"
        ]


def is_compiled(experiment: Experiment) -> bool:
    """Whether the experiment serves a model that fmbench compiles for Neuron."""
    cores = experiment.ec2.num_neuron_cores if experiment.ec2 is not None else None
    by_container_type = platform_facts(experiment.platform).container_types
    if by_container_type and experiment.inference_spec.container_type not in (None, "djl"):
        return False  # no other container there can read compiled models
    return experiment.deploy and (experiment.deployment_script == SCRIPT or cores is not None)


def compilation_of(experiment: Experiment) -> Compilation:
    """What the config asks to compile. Raises DeployError for missing settings and for contradictions."""
    properties = _properties(experiment.serving_properties or "")
    weights = weights_address(experiment)
    if weights.removeprefix("s3://").count("/") < 2:
        raise DeployError(
            f"{weights} is at the top of its bucket, but a compiled model has folders beside its weights; write "
            "s3://bucket/folder/model"
        )
    if not experiment.model_id:
        raise DeployError("compiling for Neuron needs model_id, the model's Hugging Face id")
    ec2, served_batch_size = experiment.ec2, _number(properties, "option.max_rolling_batch_size")
    degree = _number(properties, "option.tensor_parallel_degree")
    cores = (ec2.num_neuron_cores if ec2 is not None else None) or degree
    if cores is None:
        raise DeployError("compiling for Neuron needs ec2.num_neuron_cores, or option.tensor_parallel_degree")
    if degree not in (None, cores):
        raise DeployError(
            f"ec2.num_neuron_cores is {cores}, option.tensor_parallel_degree {degree}: a model must be served on "
            "as many cores as it was compiled for"
        )
    dtype = properties.get("option.dtype", "fp16")
    if dtype not in _AMP:
        raise DeployError(f"option.dtype is {dtype}; Neuron supports {', '.join(_AMP)}")
    settings = Settings(
        model_id=experiment.model_id,
        batch_size=(ec2.batch_size if ec2 is not None else None) or served_batch_size or 1,
        cores=cores,
        positions=_number(properties, "option.n_positions") or _POSITIONS,
        amp=_AMP[dtype],
        split=properties.get("option.load_split_model", "true").lower() == "true",
        level=_number(properties, "option.neuron_optimize_level"),
        neuron_version=ec2.neuron_version if ec2 is not None else None,
    )
    return Compilation(settings, weights, f"{weights.rpartition('/')[0]}/{ARTIFACTS}", served_batch_size)


def weights_address(experiment: Experiment) -> str:
    """The S3 address of the weights, existing or not, without a trailing slash: from serving.properties, else from the
    config."""
    line = given(model_line(experiment.serving_properties or ""))
    if line is not None and line.startswith("s3://"):
        address = line
    elif given(experiment.model_s3_path) is not None:
        address = str(experiment.model_s3_path)
    else:
        name = experiment.model_id_wo_repo or (experiment.model_id or "model").rpartition("/")[2]
        split = experiment.model_id_wo_repo_split or f"{name}-split"
        prefix = (experiment.prefix or "neuron").strip("/")
        address = f"s3://{bucket_of(experiment)}/{prefix}/{name}/{split}"
    return address.rstrip("/")


def _properties(text: str) -> dict[str, str]:
    """The `name=value` lines of a serving.properties."""
    pairs = (line.partition("=") for line in text.splitlines() if not line.lstrip().startswith("#"))
    return {name.strip(): value.strip() for name, sign, value in pairs if sign}


def _number(properties: Mapping[str, str], name: str) -> int | None:
    """A positive whole number in a serving.properties; None where it is absent or not a number (`auto`)."""
    value = properties.get(name, "")
    return int(value) if value.isdecimal() and int(value) else None


def program_command(python: str, settings: Settings, snapshot: str, folder: str) -> list[str]:
    """The command that runs the compiler program: `snapshot` is the original model, `folder` receives the result."""
    options = {
        "model": snapshot,
        "artifacts": f"{folder}/{ARTIFACTS}",
        "batch-size": settings.batch_size,
        "cores": settings.cores,
        "positions": settings.positions,
        "amp": settings.amp,
        **({"split": f"{folder}/{WEIGHTS}"} if settings.split else {}),
    }
    return [python, str(PROGRAM), *(f"--{name}={value}" for name, value in options.items())]


def environment(settings: Settings, env: Mapping[str, object]) -> dict[str, str]:
    """The variables that the compiler reads; the config's `env` takes precedence."""
    level = [] if settings.level is None else [f"-O{settings.level}"]
    flags = str(env.get("NEURON_CC_FLAGS") or " ".join(["--model-type=transformer", *level]))
    return {"NEURON_RT_NUM_CORES": str(settings.cores), "NEURON_CC_FLAGS": flags}


def commands(compilation: Compilation, env: Mapping[str, object]) -> str:
    """The shell commands that do the same on a machine that has the Neuron SDK."""
    settings, model = compilation.settings, "model"
    variables = [f"{name}={shlex.quote(value)}" for name, value in environment(settings, env).items()]
    compiling = shlex.join(program_command("python3", settings, model, "."))
    weights = WEIGHTS if settings.split else model
    return " && ".join(
        [
            f"hf download {shlex.quote(settings.model_id)} --local-dir {model}",
            " ".join([*variables, compiling]),
            f"aws s3 cp --recursive {weights} {shlex.quote(compilation.weights + '/')}",
            f"aws s3 cp --recursive {ARTIFACTS} {shlex.quote(compilation.artifacts + '/')}",
        ]
    )
