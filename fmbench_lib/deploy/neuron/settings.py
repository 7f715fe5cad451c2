"""What a model is compiled for before it is served on Inferentia or Trainium, and the exact commands for it. Pure.

Compiling takes hours and wants AWS's Neuron SDK, so that what has been compiled is kept in S3 and used again.
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
    """What a compiled model depends on: it serves nothing else. `positions` are tokens of prompt and answer together.

    `split` says whether the weights are written in the form that is loaded piece by piece; `level` is the compiler's
    `-O`; `amp` the type in which is computed: f16, bf16, f32.
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
        """A name for these settings as a folder may have it."""
        digest = hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:12]
        return f"{self.model_id.rpartition('/')[2]}-{digest}"


@dataclass(frozen=True, slots=True)
class Compilation:
    """A model to be compiled, and the folders in S3 of its weights and of what the compiler made of them."""

    settings: Settings
    weights: str
    artifacts: str
    served_batch_size: int | None = None

    def notes(self) -> list[str]:
        """What does not fit together, though it is what the config says."""
        batch = self.settings.batch_size
        if self.served_batch_size in (None, batch):
            return []
        return [
            f"ec2.batch_size is {batch}, option.max_rolling_batch_size {self.served_batch_size}: the server will "
            "compile again for what it serves"
        ]


def is_compiled(experiment: Experiment) -> bool:
    """Whether an experiment serves a model that is compiled for Neuron on the way."""
    cores = experiment.ec2.num_neuron_cores if experiment.ec2 is not None else None
    by_container_type = platform_facts(experiment.platform).container_types
    if by_container_type and experiment.inference_spec.container_type not in (None, "djl"):
        return False  # no other container there reads what is compiled
    return experiment.deploy and (experiment.deployment_script == SCRIPT or cores is not None)


def compilation_of(experiment: Experiment) -> Compilation:
    """What the config asks for; raises DeployError for what it lacks or says twice, differently."""
    properties = _properties(experiment.serving_properties or "")
    weights = weights_address(experiment)
    if weights.removeprefix("s3://").count("/") < 2:
        raise DeployError(
            f"{weights} is too near the top of its bucket: a compiled model has folders beside its weights; write "
            "s3://bucket/folder/model"
        )
    if not experiment.model_id:
        raise DeployError("compiling for Neuron needs model_id, the model's Hugging Face id")
    ec2, batch_served = experiment.ec2, _number(properties, "option.max_rolling_batch_size")
    degree = _number(properties, "option.tensor_parallel_degree")
    cores = (ec2.num_neuron_cores if ec2 is not None else None) or degree
    if cores is None:
        raise DeployError("compiling for Neuron needs ec2.num_neuron_cores, or option.tensor_parallel_degree")
    if degree not in (None, cores):
        raise DeployError(
            f"ec2.num_neuron_cores is {cores}, option.tensor_parallel_degree {degree}: a model is served on as many "
            "cores as it was compiled for"
        )
    kind = properties.get("option.dtype", "fp16")
    if kind not in _AMP:
        raise DeployError(f"option.dtype is {kind}; Neuron computes in {', '.join(_AMP)}")
    settings = Settings(
        model_id=experiment.model_id,
        batch_size=(ec2.batch_size if ec2 is not None else None) or batch_served or 1,
        cores=cores,
        positions=_number(properties, "option.n_positions") or _POSITIONS,
        amp=_AMP[kind],
        split=properties.get("option.load_split_model", "true").lower() == "true",
        level=_number(properties, "option.neuron_optimize_level"),
        neuron_version=ec2.neuron_version if ec2 is not None else None,
    )
    return Compilation(settings, weights, f"{weights.rpartition('/')[0]}/{ARTIFACTS}", batch_served)


def weights_address(experiment: Experiment) -> str:
    """Where the weights stand, or will: as serving.properties says it, else the config, without a slash at the end."""
    line = given(model_line(experiment.serving_properties or ""))
    if line is not None and line.startswith("s3://"):
        found = line
    elif given(experiment.model_s3_path) is not None:
        found = str(experiment.model_s3_path)
    else:
        name = experiment.model_id_wo_repo or (experiment.model_id or "model").rpartition("/")[2]
        split = experiment.model_id_wo_repo_split or f"{name}-split"
        prefix = (experiment.prefix or "neuron").strip("/")
        found = f"s3://{bucket_of(experiment)}/{prefix}/{name}/{split}"
    return found.rstrip("/")


def _properties(text: str) -> dict[str, str]:
    """The lines of a serving.properties."""
    pairs = (line.partition("=") for line in text.splitlines() if not line.lstrip().startswith("#"))
    return {name.strip(): value.strip() for name, sign, value in pairs if sign}


def _number(properties: Mapping[str, str], name: str) -> int | None:
    """A whole number of a serving.properties; None where it has none, or `auto` and the like."""
    value = properties.get(name, "")
    return int(value) if value.isdecimal() and int(value) else None


def program_command(python: str, settings: Settings, snapshot: str, folder: str) -> list[str]:
    """How the compiling program is run: `snapshot` is the model as Hugging Face has it, `folder` takes the result."""
    given_so = {
        "model": snapshot,
        "artifacts": f"{folder}/{ARTIFACTS}",
        "batch-size": settings.batch_size,
        "cores": settings.cores,
        "positions": settings.positions,
        "amp": settings.amp,
        **({"split": f"{folder}/{WEIGHTS}"} if settings.split else {}),
    }
    return [python, str(PROGRAM), *(f"--{name}={value}" for name, value in given_so.items())]


def environment(settings: Settings, own: Mapping[str, object]) -> dict[str, str]:
    """The variables that the compiler reads; the config's own come first."""
    level = [] if settings.level is None else [f"-O{settings.level}"]
    flags = str(own.get("NEURON_CC_FLAGS") or " ".join(["--model-type=transformer", *level]))
    return {"NEURON_RT_NUM_CORES": str(settings.cores), "NEURON_CC_FLAGS": flags}


def commands(compilation: Compilation, own: Mapping[str, object]) -> str:
    """What makes the same on a machine that has the Neuron SDK, as it is typed in a shell."""
    settings, model = compilation.settings, "model"
    variables = [f"{name}={shlex.quote(value)}" for name, value in environment(settings, own).items()]
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
