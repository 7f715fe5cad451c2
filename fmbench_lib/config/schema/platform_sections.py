"""The sections of an experiment with settings of its platform."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, PlainValidator

from fmbench_lib.config.problems import shown
from fmbench_lib.config.schema.section import UNUSED, Section, described
from fmbench_lib.config.schema.values import (
    Count,
    CountFromZero,
    Flag,
    FreeKeys,
    Kind,
    LooseCount,
    LooseSeconds,
    Port,
    Seconds,
    Text,
    list_of,
    one_of,
    reject,
)

Expose = Annotated[
    Literal["auto", "ingress", "load_balancer", "port_forward"],
    PlainValidator(one_of("auto", "ingress", "load_balancer", "port_forward")),
    Kind("`auto`, `ingress`, `load_balancer` or `port_forward`"),
]
Accelerators = Annotated[
    Literal["nvidia", "neuron", "none"],
    PlainValidator(one_of("nvidia", "neuron", "none")),
    Kind("`nvidia`, `neuron`, `none`"),
]
Devices = Annotated[list[CountFromZero], BeforeValidator(list_of("whole numbers")), Kind("list of whole numbers ≥ 0")]
Balancer = Annotated[Literal["client", "nginx"], PlainValidator(one_of("client", "nginx")), Kind("`client`, `nginx`")]


def _ip_address(value: Any) -> str:
    """An IPv4 address, as text."""
    try:
        return str(IPv4Address(value))
    except ValueError:
        reject(f"is {shown(value)}; write an IPv4 address of this machine, or 0.0.0.0 for all of them")


ListenAddress = Annotated[str, PlainValidator(_ip_address), Kind("IPv4 address")]


class LocalSection(Section):
    """Settings of the llama.cpp server that platform `local` starts on this machine."""

    strict: ClassVar[bool] = True

    port: Port | None = described("Port of the server.", None, shown_default="a free one")
    context_tokens: Count | None = described(
        "Context of one request, prompt and answer together.", None, shown_default="the model's, as far as needed"
    )
    parallel: Count = described("Requests that the server processes at once; others wait in its queue.", 4)
    threads: Count | None = described(
        "Threads of the server.", None, shown_default="all cores but one, which is the client's, divided by the copies"
    )
    cache_prompt: Flag = described(
        "Whether the server may reuse what it computed for an earlier, similar prompt.", True
    )
    startup_timeout: Seconds = described("How long the server may take until it answers.", 120.0)
    options: FreeKeys = described("Further options of the server, spelt as in its `CommonParams`.", {})


class SageMakerSection(Section):
    """Settings of the endpoint that platform `sagemaker` creates with `deploy: yes`."""

    strict: ClassVar[bool] = True

    startup_timeout: Seconds = described("How long the endpoint may take until it is in service.", 3600.0)


class BedrockSection(Section):
    """Provisioned throughput that platform `bedrock` buys with `deploy: yes`, by the hour and without commitment."""

    strict: ClassVar[bool] = True

    model_units: Count | None = described(
        "Model units to buy, and to delete after the run. A commitment, which cannot be deleted, is never bought.",
        None,
        shown_default="none: the model is called on demand",
    )
    startup_timeout: Seconds = described("How long the throughput may take until it is in service.", 3600.0)


class Ec2(Section):
    """Settings of an EC2 deployment."""

    ignored: ClassVar[dict[str, str]] = {"gpu_or_neuron_setting": UNUSED}

    model_loading_timeout: LooseSeconds | None = described(
        "How long the model may take to load.", None, shown_default="`inference_spec.model_loading_timeout`, else 2400"
    )
    privileged_mode: Flag = described("Whether the container runs privileged.", False)
    batch_size: LooseCount | None = described("Batch size that a Neuron model is compiled for.", None)
    num_neuron_cores: LooseCount | None = described("Neuron cores to compile for.", None)
    neuron_version: Text | None = described("Version of the Neuron SDK.", None)
    instance_count: LooseCount | None = described("Instances of a Neuron deployment.", None)
    accelerators: Accelerators | None = described(
        "Accelerators of the host; `none` leaves them unused.", None, shown_default="those the host has"
    )
    devices: Devices | None = described(
        "Numbers of the accelerators to use, as the host counts them.", None, shown_default="all of the host"
    )
    listen_address: ListenAddress | None = described(
        "Address of this machine at which other machines reach the server: one of its own, or `0.0.0.0` for all. A "
        "config on another machine measures it, with that address in `ep_name`.",
        None,
        shown_default="the IP address in `ep_name`; where that is `localhost` or a name, this machine only",
    )
    balancer: Balancer = described(
        "What spreads requests over `model_copies`: `client`, fmbench itself, by `load.balance`; `nginx`, a container "
        "in front of the copies, which sends each request to the copy with the fewest open ones.",
        "client",
    )
    balancer_image: Text | None = described(
        "Image of the nginx container.", None, shown_default="`public.ecr.aws/nginx/nginx:1.28`"
    )
    model_cache: Text | None = described(
        "Folder of the host where containers keep the models that they fetch.",
        None,
        shown_default="`HF_HOME`, else `~/.cache/huggingface`",
    )


class Eks(Section):
    """Settings of a deployment on an EKS cluster, or any other Kubernetes cluster."""

    examples: ClassVar[dict[str, str]] = {"expose": "port_forward"}

    eks_cluster_name: Text | None = described(
        "Name of the EKS cluster.",
        None,
        shown_default="the cluster of `KUBECONFIG` or `~/.kube/config`, or the one that fmbench runs in",
    )
    eks_model_namespace: Text | None = described(
        "Namespace of objects that name none; it must exist, or be in the manifest.",
        None,
        shown_default="`default`",
    )
    context: Text | None = described("Context of the kubeconfig.", None, shown_default="its current one")
    manifest_dir: Text | None = described("Folder of the manifest.", None, shown_default="the config's")
    manifest_file: Text | None = described("Manifest to apply: YAML, one document or several.", None)
    manifest_values: FreeKeys = described(
        "Values of `${name}` in the manifest, beside `${HF_TOKEN}`, `${HUGGING_FACE_HUB_TOKEN}`, `${AWS_REGION}` and "
        "`${FMBENCH_RUN}`.",
        {},
    )
    expose: Expose = described(
        "How the endpoint is reached: `ingress`, `load_balancer` (a service's) or `port_forward` (through the API "
        "server, which adds latency). `auto` takes the first of these that the manifest has.",
        "auto",
    )
    service: Text | None = described(
        "Service that requests go to.", None, shown_default="the manifest's, `<name>-serve-svc` of a RayService"
    )
    port: Port | None = described("Port of the service.", None, shown_default="its first; 8000 of a RayService")
    inference_url_format: Text | None = described(
        "Path and query of the endpoint's address, such as `/serve/infer?sentence=`.",
        None,
        shown_default="`inference_spec.inference_url_format`, then `/v1/chat/completions` for protocol `openai`, else "
        "`/`",
    )
    startup_timeout: LooseSeconds = described(
        "How long the deployment may take, from applying the manifest to the first answer.", 1800.0
    )
    scheduling_timeout: LooseSeconds = described(
        "How long a pod may wait for a node that can run it; a cluster that adds nodes needs minutes.", 900.0
    )


class S3DataSource(Section):
    """A model's files in S3, as SageMaker's CreateModel takes them."""

    s3_uri: Text | None = described("Address of the files.", None, alias="S3Uri")
    s3_data_type: Text | None = described("`S3Prefix` or `S3Object`.", None, alias="S3DataType")
    compression_type: Text | None = described("`None` or `Gzip`.", None, alias="CompressionType")


class ModelData(Section):
    """Where a SageMaker model's files are."""

    s3_data_source: S3DataSource | None = described("The files in S3.", None, alias="S3DataSource")
