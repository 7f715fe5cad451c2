"""An experiment: a model on a serving stack on an instance type."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, PlainValidator

from fmbench_lib.config.platforms import (
    CONTAINER_TYPES,
    ENDPOINT,
    PLATFORMS,
    PROTOCOLS,
    known_platforms,
    known_protocols,
    platform_facts,
)
from fmbench_lib.config.schema.authorization import Auth
from fmbench_lib.config.schema.platform_sections import (
    BedrockSection,
    Ec2,
    Eks,
    LocalSection,
    ModelData,
    SageMakerSection,
)
from fmbench_lib.config.schema.rest_template import RestSection
from fmbench_lib.config.schema.section import UNUSED, Section, derived, described
from fmbench_lib.config.schema.values import (
    Block,
    Copies,
    Counts,
    EnvironmentName,
    FileNames,
    Flag,
    FreeKeys,
    Kind,
    Line,
    Location,
    LooseCount,
    LooseSeconds,
    Name,
    Rates,
    Text,
    one_of,
    reject,
)
from fmbench_lib.errors import InputError


def _platform(value: Any) -> str:
    """The name of a platform. Installed ones come last, since finding them reads the metadata of every package."""
    if isinstance(value, str) and value.strip() in PLATFORMS:
        return value.strip()
    name = one_of(*known_platforms())(value)
    try:
        platform_facts(name)
    except InputError as error:
        reject(str(error))
    return name


def _protocol(value: Any) -> str:
    """The name of a protocol, or the Python file of a codec."""
    if isinstance(value, str) and (value.strip() in PROTOCOLS or value.strip().endswith(".py")):
        return value.strip()
    return one_of(*known_protocols())(value)


def _in_one_text(value: Any) -> Any:
    if isinstance(value, list):
        reject("is a list; write addresses in one text, with commas between them: http://a:8000/v1,http://b:8000/v1")
    return value


_EndpointName = Annotated[Line, BeforeValidator(_in_one_text)]
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


class InferenceSpec(Section):
    """What a request looks like, and how the model's server is configured."""

    ignored: ClassVar[dict[str, str]] = {
        "context_len": UNUSED,
        "max_new_tokens": f"{UNUSED}; it belongs in inference_parameters",
        "n_positions": f"{UNUSED}; it belongs in container_params",
        "neuron_config": UNUSED,
        "vllm_model_params": UNUSED,
    }
    older: ClassVar[dict[str, str]] = {"inference_container_params": "container_params"}

    parameter_set: Line | None = described(
        "Which set of `inference_parameters` is sent with each request.",
        None,
        shown_default="all of a flat `inference_parameters`",
    )
    parameters: FreeKeys = described(
        "Parameters of this experiment only; they override those of its set.", {}, shown_default="the parameter set"
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
        "Protocol `rest`: what is sent and where the answer is found, see below.",
        None,
        shown_default="GET with `?sentence=<prompt>`, text in return",
    )
    auth: Auth = described(
        "Authorization of a REST endpoint, sent by the protocols `rest`, `custom_rest` and `eks`: user name and "
        "password as HTTP Basic, a text as the header `Authorization`. `api_key_env` overrides it, and so does that "
        "header in `headers`.",
        None,
    )
    model_id: Text | None = described("Model name for a custom REST endpoint.", None)
    inference_url_format: Line | None = described(
        "Path and query of an EKS endpoint's address.", None, shown_default="`eks.inference_url_format`"
    )
    split_input_and_parameters: Flag = described(
        "Whether a SageMaker request sends the prompt alone as its body and the parameters as headers.", False
    )
    chat_template: Location | None = described(
        "How conversations are written for an endpoint that takes one text: `model`, the chat template beside the "
        "model's tokenizer; a Jinja file; or `plain`, a paragraph for each message with its role before it.",
        None,
        shown_default="`model` where the endpoint gives the model the text as it is, else `plain`",
    )
    container_type: ContainerType | None = described("Serving container on EC2.", None, shown_default="`djl`")
    backend: Line | None = described("Backend of a Triton container: djl, vllm, tensorrt.", None)
    container_params: FreeKeys = described(
        "Settings of the serving container, such as tp_degree; also spelt `inference_container_params`.", {}
    )
    model_copies: Copies = described(
        "Copies of the model: a number, `max` (as many as fit on the accelerators) or `auto` (one server that uses all "
        "of them).",
        1,
    )
    tp_degree: LooseCount | None = described(
        "Accelerators per copy (tensor parallelism).", None, shown_default="`container_params.tp_degree`"
    )
    batch_size: LooseCount | None = described("Batch size of the serving container.", None)
    shm_size: Line | None = described("Shared memory of the container, such as 12g.", None)
    model_loading_timeout: LooseSeconds | None = described("How long the container may take to load the model.", None)
    cli_params: Text | None = described("More command-line options for the serving container.", None)


class Experiment(Section):
    """What is compared: a model on a serving stack on an instance type, and its load."""

    ignored: ClassVar[dict[str, str]] = {"hf_model_id": UNUSED, "additional_metadata": UNUSED}
    examples: ClassVar[dict[str, str]] = {"platform": ENDPOINT}

    name: Name = described(
        "Name of the experiment everywhere. A name that occurs again gets -2, -3.", shown_default="the model's name"
    )
    platform: PlatformName = described("Where the model is served.", shown_default="from the script names")
    protocol: ProtocolName = described(
        "What the endpoint speaks, see protocols.md.", shown_default="the platform's; `openai` for local and endpoint"
    )
    payload_files: FileNames = described("Payload files to send.", [], shown_default="those of all `datasets.filters`")
    concurrency_levels: Counts = described("Closed loop: one level for each number of requests in flight.", [])
    request_rates: Rates = described("Open loop: one level for each rate, in requests per second.", [])

    model_id: Location | None = described(
        "Model: a Hugging Face, JumpStart or Bedrock id, or a GGUF file for platform `local`.",
        None,
        shown_default="`smollm2-135m-instruct` for platform `local`",
    )
    model_name: Line | None = described("Name of the model in tables.", None)
    model_version: Line | None = described("Version of a JumpStart model.", None)
    ep_name: _EndpointName | None = described(
        "The endpoint: an http(s) address, or several with commas between them, the name of a SageMaker endpoint, or a "
        "Bedrock model id. Required for platform `endpoint`.",
        None,
    )
    api_key_env: EnvironmentName | None = described(
        "Environment variable that holds the endpoint's API key; sent as `Authorization: Bearer KEY`, to Azure as "
        "`api-key`, or as it is where it begins with `Basic ` or `Bearer `; never recorded.",
        None,
    )
    tokenizer: Location | None = described(
        "Tokenizer of the model: a folder, a Hugging Face id, a .gguf file, or `words` (750 words = 1000 tokens, "
        "marked as an estimate). Payload files are made with the first experiment's.",
        None,
        shown_default="`hf_tokenizer_model_id`, `tokenizer_prefix`, then the model's own",
    )
    hf_tokenizer_model_id: Location | None = described(
        "Tokenizer as a Hugging Face id, as FMBench 2.x spells it.", None
    )
    instance_type: Line | None = described(
        "Key in the price file; without it there is no price.",
        None,
        shown_default="`local-cpu` for platform `local`, the model or the provisioned throughput's ARN for `bedrock`",
    )
    instance_count: LooseCount | None = described(
        "Number of instances behind the endpoint, for the price.",
        None,
        shown_default="the number of addresses in `ep_name`, else `1`",
    )
    deploy: Flag = described(
        "Whether the run deploys the endpoint, and deletes it afterwards.",
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

    image_uri: Line | None = described("Serving container to deploy.", None)
    deployment_script: Location | None = described(
        "FMBench 2.x's spelling of `platform`, or a Python file of your own, see scripts.md.", None
    )
    inference_script: Location | None = described(
        "FMBench 2.x's spelling of `protocol`, or a Python file of your own, see scripts.md.", None
    )
    env: FreeKeys = described("Environment variables of the serving container.", {})
    serving_properties: Block | None = described(
        "Text of a DJL serving.properties file.", None, alias="serving.properties"
    )
    ec2: Ec2 | None = described("Settings of an EC2 deployment, see below.", None)
    eks: Eks | None = described("Settings of an EKS deployment, see below.", None)
    region: Line | None = described("Region of this experiment.", None, shown_default="`aws.region`")
    bucket: Line | None = described("Bucket of this experiment.", None, shown_default="`aws.bucket`")
    sagemaker_execution_role: Line | None = described(
        "Role of this experiment's endpoint.", None, shown_default="`aws.sagemaker_execution_role`"
    )
    production_variant_name: Line = described("Variant of a SageMaker endpoint whose metrics are read.", "AllTraffic")
    accept_eula: Flag = described("Whether you accept the licence of a JumpStart model.", False)
    use_messages_api_format: Flag = described("Whether a SageMaker request is a list of messages.", False)
    model_data: ModelData | None = described("Where the files of a SageMaker model are.", None)
    download_from_hf_place_in_s3: Flag = described(
        "Whether the model is copied from Hugging Face to S3 before it is deployed.", False
    )
    model_s3_path: Line | None = described("Where in S3 the model is copied to.", None)
    prefix: Line | None = described("Prefix in S3 of a Neuron deployment.", None)
    model_id_wo_repo: Line | None = described("Model id without its organisation, for a Neuron deployment.", None)
    model_id_wo_repo_split: Line | None = described("Name of the split model, for a Neuron deployment.", None)

    longest_prompt: int | None = derived(None)
    """The tokens that a prompt of its payload files has at most; None where they have no greatest length."""
