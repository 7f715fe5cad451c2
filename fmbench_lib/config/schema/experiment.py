"""An experiment: a model on a serving stack on an instance type."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, PlainValidator

from fmbench_lib.config.platforms import (
    CONTAINER_TYPES,
    ENDPOINT,
    PLATFORMS,
    PROTOCOLS,
    known_platforms,
    known_protocols,
)
from fmbench_lib.config.schema.authorization import Auth
from fmbench_lib.config.schema.aws_sections import BedrockSection, SageMakerSection
from fmbench_lib.config.schema.rest_template import RestSection
from fmbench_lib.config.schema.section import Section, described
from fmbench_lib.config.schema.values import (
    Block,
    Copies,
    Count,
    CountFromZero,
    Counts,
    EnvironmentName,
    FileNames,
    Flag,
    FreeKeys,
    Kind,
    LooseCount,
    LooseSeconds,
    Name,
    Port,
    Rates,
    Seconds,
    Text,
    list_of,
    one_of,
)


def _platform(value: Any) -> str:
    """The name of a platform. Installed ones come last, since finding them reads the metadata of every package."""
    if isinstance(value, str) and value.strip() in PLATFORMS:
        return value.strip()
    return one_of(*known_platforms())(value)


def _protocol(value: Any) -> str:
    """The name of a protocol, or the Python file of a codec."""
    if isinstance(value, str) and (value.strip() in PROTOCOLS or value.strip().endswith(".py")):
        return value.strip()
    return one_of(*known_protocols())(value)


PlatformName = Annotated[
    str,
    PlainValidator(_platform),
    Kind(", ".join(f"`{name}`" for name in PLATFORMS) + ", or an installed platform's name"),
]


ProtocolName = Annotated[
    str,
    PlainValidator(_protocol),
    Kind(", ".join(f"`{name}`" for name in PROTOCOLS) + ", an installed codec's name or its Python file"),
]
ContainerType = Annotated[
    str, PlainValidator(one_of(*CONTAINER_TYPES)), Kind(", ".join(f"`{name}`" for name in CONTAINER_TYPES))
]

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

_UNUSED = "it had no effect in FMBench 2.x either"


class InferenceSpec(Section):
    """What a request looks like, and how the model's server is set up."""

    ignored: ClassVar[dict[str, str]] = {
        "context_len": _UNUSED,
        "max_new_tokens": f"{_UNUSED}; it belongs in inference_parameters",
        "n_positions": f"{_UNUSED}; it belongs in container_params",
        "neuron_config": _UNUSED,
        "vllm_model_params": _UNUSED,
    }
    older: ClassVar[dict[str, str]] = {"inference_container_params": "container_params"}

    parameter_set: Text | None = described(
        "Which set of `inference_parameters` is sent with each request.",
        None,
        shown_default="all of a flat `inference_parameters`",
    )
    parameters: FreeKeys = described(
        "Parameters of this experiment alone, over those of its set.", {}, shown_default="the parameter set"
    )
    stream: Flag = described(
        "Whether answers are streamed. TTFT, TPOT and ITL exist only with streaming.",
        False,
        shown_default="yes with `platform`, no with script names",
    )
    start_token: Text | None = described("Text before the first token of a stream.", None)
    stop_token: Text | None = described("Text that ends a stream.", None)
    timeout: LooseSeconds | None = described(
        "Timeout of this experiment's requests.", None, shown_default="`load.timeout`"
    )
    headers: FreeKeys = described("HTTP headers of each request. Keys and tokens belong in `api_key_env`.", {})
    rest: RestSection | None = described(
        "Protocol `rest`: what is sent and where the answer stands, see below.",
        None,
        shown_default="GET with `?sentence=<prompt>`, answered with text",
    )
    auth: Auth = described(
        "Authorisation of a REST endpoint, sent with the protocols `rest`, `custom_rest` and `eks`: user name and "
        "password as HTTP Basic, a text as the header `Authorization`. `api_key_env` wins over it, and so does that "
        "header in `headers`.",
        None,
    )
    model_id: Text | None = described("Model name that a custom REST endpoint wants.", None)
    inference_url_format: Text | None = described(
        "Path, and query, of an EKS endpoint's address.", None, shown_default="`eks.inference_url_format`"
    )
    split_input_and_parameters: Flag = described(
        "Whether a SageMaker request keeps inputs and parameters apart.", False
    )
    container_type: ContainerType | None = described("Serving container on EC2.", None, shown_default="`djl`")
    backend: Text | None = described("Backend of a Triton container: djl, vllm, tensorrt.", None)
    container_params: FreeKeys = described(
        "Settings of the serving container, among them tp_degree; also spelt `inference_container_params`.", {}
    )
    model_copies: Copies = described(
        "Copies of the model behind the experiment: a number, `max` (as many as fit the accelerators) or `auto` (one "
        "server that sees them all).",
        1,
    )
    tp_degree: LooseCount | None = described(
        "Accelerators per copy (tensor parallelism).", None, shown_default="`container_params.tp_degree`"
    )
    batch_size: LooseCount | None = described("Batch size of the serving container.", None)
    shm_size: Text | None = described("Shared memory of the container, such as 12g.", None)
    model_loading_timeout: LooseSeconds | None = described("How long the container may take to load the model.", None)
    cli_params: Text | None = described("Further command-line options of the serving container.", None)


class Ec2(Section):
    """Settings of an EC2 deployment."""

    ignored: ClassVar[dict[str, str]] = {"gpu_or_neuron_setting": _UNUSED}

    model_loading_timeout: LooseSeconds | None = described(
        "How long the model may take to load.", None, shown_default="`inference_spec.model_loading_timeout`, else 2400"
    )
    privileged_mode: Flag = described("Whether the container runs privileged.", False)
    batch_size: LooseCount | None = described("Batch size for which a Neuron model is compiled.", None)
    num_neuron_cores: LooseCount | None = described("Neuron cores to compile for.", None)
    neuron_version: Text | None = described("Version of the Neuron SDK.", None)
    instance_count: LooseCount | None = described("Instances of a Neuron deployment.", None)
    accelerators: Accelerators | None = described(
        "What the host computes with; `none` leaves its accelerators alone.", None, shown_default="what is found"
    )
    devices: Devices | None = described(
        "Numbers of the accelerators to use, as the host counts them.", None, shown_default="all that are found"
    )
    balancer: Balancer = described(
        "What spreads requests over `model_copies`: `client`, fmbench itself, by `load.balance`; `nginx`, a container "
        "before the copies, which sends each to the one with fewest open requests.",
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
    """Settings of an EKS deployment, or one on any other Kubernetes cluster."""

    examples: ClassVar[dict[str, str]] = {"expose": "port_forward"}

    eks_cluster_name: Text | None = described(
        "Name of the EKS cluster.",
        None,
        shown_default="the cluster of `KUBECONFIG` or `~/.kube/config`, or the one that fmbench runs in",
    )
    eks_model_namespace: Text | None = described(
        "Namespace of objects that name none themselves; it must exist, or be in the manifest.",
        None,
        shown_default="`default`",
    )
    context: Text | None = described("Context of the kubeconfig.", None, shown_default="its current one")
    manifest_dir: Text | None = described("Folder of the manifest.", None, shown_default="the config's")
    manifest_file: Text | None = described("Manifest to apply: YAML, with one document or several.", None)
    manifest_values: FreeKeys = described(
        "What takes the place of `${name}` in the manifest, beside `${HF_TOKEN}`, `${HUGGING_FACE_HUB_TOKEN}`, "
        "`${AWS_REGION}` and `${FMBENCH_RUN}`.",
        {},
    )
    expose: Expose = described(
        "How the endpoint is reached: `ingress`, `load_balancer` (a service's) or `port_forward` (through the API "
        "server, which costs latency). `auto` takes the first of these that the manifest has.",
        "auto",
    )
    service: Text | None = described(
        "Service to be reached.", None, shown_default="the manifest's, `<name>-serve-svc` of a RayService"
    )
    port: Port | None = described("Port of the service.", None, shown_default="its first; 8000 of a RayService")
    inference_url_format: Text | None = described(
        "Path, and query, of the endpoint's address, such as `/serve/infer?sentence=`.",
        None,
        shown_default="`inference_spec.inference_url_format`, then `/v1/chat/completions` for protocol `openai`, else "
        "`/`",
    )
    startup_timeout: LooseSeconds = described(
        "How long everything may take from applying the manifest until a request is answered.", 1800.0
    )
    scheduling_timeout: LooseSeconds = described(
        "How long a pod may wait for a node that can take it; a cluster that adds nodes needs minutes.", 900.0
    )


class S3DataSource(Section):
    """A model's files in S3, as SageMaker's CreateModel takes them."""

    s3_uri: Text | None = described("Address of the files.", None, alias="S3Uri")
    s3_data_type: Text | None = described("`S3Prefix` or `S3Object`.", None, alias="S3DataType")
    compression_type: Text | None = described("`None` or `Gzip`.", None, alias="CompressionType")


class ModelData(Section):
    """Where a SageMaker model's files are."""

    s3_data_source: S3DataSource | None = described("The files in S3.", None, alias="S3DataSource")


class LocalSection(Section):
    """Settings of the server that platform `local` starts on this machine (llama.cpp)."""

    strict: ClassVar[bool] = True

    port: Port | None = described("Port of the server.", None, shown_default="a free one")
    context_tokens: Count | None = described(
        "Context of one request, prompt and answer together.", None, shown_default="the model's, as far as needed"
    )
    parallel: Count = described("Requests that the server works on at once; others wait in its queue.", 4)
    threads: Count | None = described("Threads of the server.", None, shown_default="the server's choice")
    cache_prompt: Flag = described(
        "Whether the server may reuse what it computed for an earlier, similar prompt.", True
    )
    startup_timeout: Seconds = described("How long the server may take until it answers.", 120.0)
    options: FreeKeys = described("Further options of the server, as its `CommonParams` spells them.", {})


class Experiment(Section):
    """What is compared: a model on a serving stack on an instance type, and the load it is put under."""

    ignored: ClassVar[dict[str, str]] = {"hf_model_id": _UNUSED, "additional_metadata": _UNUSED}
    examples: ClassVar[dict[str, str]] = {"platform": ENDPOINT}

    name: Name = described(
        "Names the experiment everywhere. A name that occurs again gets -2, -3.", shown_default="the model's name"
    )
    platform: PlatformName = described("Where the model is served.", shown_default="from the script names")
    protocol: ProtocolName = described(
        "What the endpoint speaks, see protocols.md.", shown_default="the platform's; `openai` for local and endpoint"
    )
    payload_files: FileNames = described("Payload files to send.", [], shown_default="those of all `datasets.filters`")
    concurrency_levels: Counts = described("Closed loop: one level for each number of requests kept in flight.", [])
    request_rates: Rates = described("Open loop: one level for each rate, in requests per second.", [])

    model_id: Text | None = described(
        "Model: a Hugging Face, JumpStart or Bedrock id, or a GGUF file for platform `local`.",
        None,
        shown_default="`smollm2-135m-instruct` for platform `local`",
    )
    model_name: Text | None = described("The model as tables call it.", None)
    model_version: Text | None = described("Version of a JumpStart model.", None)
    ep_name: Text | None = described(
        "The endpoint: an http(s) address, the name of a SageMaker endpoint, or a Bedrock model id. Required for "
        "platform `endpoint`.",
        None,
    )
    api_key_env: EnvironmentName | None = described(
        "Environment variable that holds the endpoint's API key; sent as `Authorization: Bearer`, never written down.",
        None,
    )
    tokenizer: Text | None = described(
        "Tokenizer of the model: a folder, a Hugging Face id, a .gguf file, or `words` (750 words = 1000 tokens, "
        "marked as an estimate). Payload files are cut by the first experiment's.",
        None,
        shown_default="`hf_tokenizer_model_id`, `tokenizer_prefix`, then the model's own",
    )
    hf_tokenizer_model_id: Text | None = described("Tokenizer as a Hugging Face id, as FMBench 2.x spells it.", None)
    instance_type: Text | None = described(
        "Looked up in the price file; without it there is no price.",
        None,
        shown_default="`local-cpu` for platform `local`, the model or the provisioned throughput's ARN for `bedrock`",
    )
    instance_count: LooseCount | None = described(
        "Instances behind the endpoint, for the price.", None, shown_default="`1`"
    )
    deploy: Flag = described(
        "Whether the run deploys the endpoint, and takes it down again.",
        shown_default="yes for platform `local`, else no",
    )
    inference_spec: InferenceSpec = described(
        "What a request looks like, see below.", InferenceSpec(), shown_default="all defaults"
    )
    local: LocalSection = described(
        "Settings of the local server, see below.", LocalSection(), shown_default="all defaults"
    )

    sagemaker: SageMakerSection = described(
        "Settings of the SageMaker endpoint, see below.", SageMakerSection(), shown_default="all defaults"
    )
    bedrock: BedrockSection = described(
        "Provisioned throughput to buy, see below.", BedrockSection(), shown_default="all defaults"
    )

    image_uri: Text | None = described("Serving container to deploy.", None)
    deployment_script: Text | None = described(
        "FMBench 2.x's way to say `platform`, or a Python file of your own, see scripts.md.", None
    )
    inference_script: Text | None = described(
        "FMBench 2.x's way to say `protocol`, or a Python file of your own, see scripts.md.", None
    )
    env: FreeKeys = described("Environment variables of the serving container.", {})
    serving_properties: Block | None = described(
        "Text of a DJL serving.properties file.", None, alias="serving.properties"
    )
    ec2: Ec2 | None = described("Settings of an EC2 deployment, see below.", None)
    eks: Eks | None = described("Settings of an EKS deployment, see below.", None)
    region: Text | None = described("Region of this experiment.", None, shown_default="`aws.region`")
    bucket: Text | None = described("Bucket of this experiment.", None, shown_default="`aws.bucket`")
    sagemaker_execution_role: Text | None = described(
        "Role of this experiment's endpoint.", None, shown_default="`aws.sagemaker_execution_role`"
    )
    production_variant_name: Text = described("Variant of a SageMaker endpoint whose metrics are read.", "AllTraffic")
    accept_eula: Flag = described("Whether the licence of a JumpStart model is accepted.", False)
    use_messages_api_format: Flag = described("Whether a SageMaker request is a list of messages.", False)
    model_data: ModelData | None = described("Where the files of a SageMaker model are.", None)
    download_from_hf_place_in_s3: Flag = described(
        "Whether the model goes from Hugging Face to S3 before it is deployed.", False
    )
    model_s3_path: Text | None = described("Where in S3 the model is placed.", None)
    prefix: Text | None = described("Prefix in S3 of a Neuron deployment.", None)
    model_id_wo_repo: Text | None = described("Model id without its organisation, for a Neuron deployment.", None)
    model_id_wo_repo_split: Text | None = described("Name of the split model, for a Neuron deployment.", None)
