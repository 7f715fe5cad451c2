"""Each serving stack's container, compared with what the stack's documentation says to run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fmbench_lib.config.platforms import CONTAINER_TYPES
from fmbench_lib.deploy.ec2.container import Container, Devices, Mount, StartRequest
from fmbench_lib.deploy.ec2.stacks import llama_cpp_server, triton_files
from fmbench_lib.deploy.ec2.stacks.description import describe, describe_all
from fmbench_lib.deploy.ec2.stacks.stack_table import STACKS
from fmbench_lib.errors import DeployError
from fmbench_lib.models.embedded import EMBEDDED_MODEL
from fmbench_lib.models.hub_token import VARIABLES
from tests.deploy.on_ec2 import containers, host, only_container, sent_to, stack_experiment, value_after


@pytest.fixture(autouse=True)
def models_of_this_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", "/cache/huggingface")


def test_every_container_type_has_a_stack() -> None:
    assert set(STACKS) == set(CONTAINER_TYPES)


# -- vLLM: docker run --gpus … -v ~/.cache/huggingface:/root/.cache/huggingface --env HF_TOKEN -p 8000:8000 --ipc=host
#    (or --shm-size) vllm/vllm-openai --model …; the entry point is the server, --tensor-parallel-size GPUs per model


def test_vllm_on_gpus(tmp_path: Path) -> None:
    experiment = stack_experiment(
        tmp_path,
        "vllm_gpu",
        instance_type="g6e.24xlarge",
        image_uri="vllm/vllm-openai:v0.11.0",
        inference_spec={"tp_degree": 4, "batch_size": 64, "container_params": {"max_model_len": 8192, "tp_degree": 4}},
        env={"VLLM_LOGGING_LEVEL": "DEBUG"},
    )
    container = only_container(experiment)
    assert container.image == "vllm/vllm-openai:v0.11.0"
    assert container.entrypoint is None
    assert value_after("--model", container.command) == "org/model"
    assert value_after("--tensor-parallel-size", container.command) == "4"
    assert value_after("--max-model-len", container.command) == "8192"
    assert value_after("--max-num-seqs", container.command) == "64"
    assert "--tp-degree" not in container.command
    assert (value_after("--host", container.command), value_after("--port", container.command)) == (
        "0.0.0.0",
        str(container.container_port),
    )
    assert (container.container_port, container.health_path, sent_to(experiment, container)) == (
        8000,
        "/health",
        "/v1/chat/completions",
    )
    assert container.mounts == (Mount(Path("/cache/huggingface"), "/root/.cache/huggingface", read_only=False),)
    assert (container.devices, container.shm_size) == (Devices("nvidia", (0, 1, 2, 3)), "12g")
    assert container.environment == {"VLLM_LOGGING_LEVEL": "DEBUG"}
    assert container.secrets == VARIABLES


def test_vllms_options_come_last_and_determine_the_gpus(tmp_path: Path) -> None:
    spec = {"cli_params": "--tensor-parallel-size 2 -pp 2 --port 9000 --chat-template 'a b.jinja'"}
    experiment = stack_experiment(tmp_path, "vllm_gpu", instance_type="g5.48xlarge", inference_spec=spec)
    container = only_container(experiment)
    assert container.devices.indices == (0, 1, 2, 3)
    assert container.command.count("--tensor-parallel-size") == container.command.count("--port") == 1
    assert container.command[-2:] == ("--chat-template", "a b.jinja")


def test_options_that_exceed_the_instance_type_are_planned_with_a_note(tmp_path: Path) -> None:
    spec = {"cli_params": "--tensor-parallel-size 8"}
    experiment = stack_experiment(tmp_path, "vllm_gpu", instance_type="g6e.12xlarge", inference_spec=spec)
    container = only_container(experiment)
    assert container.devices.indices == (0, 1, 2, 3)
    assert "ask for 8 accelerators, and g6e.12xlarge has 4 GPUs: it will not start there" in container.notes[-1]
    with pytest.raises(DeployError, match="tp_degree 8 needs 8 GPUs; the host has 4 GPUs"):
        containers(experiment, host("nvidia", 4, source="nvml"))


def test_contradicting_degrees(tmp_path: Path) -> None:
    def copies(ours: int, own: int) -> Container:
        spec = {"tp_degree": ours, "cli_params": f"--tensor-parallel-size {own}"}
        return only_container(stack_experiment(tmp_path, "vllm_gpu", inference_spec=spec), host("nvidia", 8))

    with pytest.raises(DeployError, match="gives each copy 2 accelerators, but the server's own settings ask for 4"):
        copies(2, 4)
    assert "tp_degree is 4, but 2 in the server's own settings" in copies(4, 2).notes
    assert not any("tp_degree" in note for note in copies(2, 2).notes)


def test_vllm_on_a_cpu(tmp_path: Path) -> None:
    """VLLM_CPU_OMP_THREADS_BIND says which cores a server computes on, VLLM_CPU_KVCACHE_SPACE how many GiB it keeps."""
    keys = {"image_uri": "vllm-cpu-env", "env": {"VLLM_CPU_KVCACHE_SPACE": 40}, "instance_type": "m7i.12xlarge"}
    experiment = stack_experiment(tmp_path, "vllm", ec2={"privileged_mode": True}, **keys)
    container = only_container(experiment, cores=48)
    assert (container.image, container.devices, container.privileged) == ("vllm-cpu-env", Devices(), True)
    assert container.environment == {"VLLM_CPU_KVCACHE_SPACE": "40"}
    assert "--tensor-parallel-size" not in container.command
    two = containers(stack_experiment(tmp_path, "vllm", inference_spec={"model_copies": 2}, **keys), cores=48)
    assert [copy.environment["VLLM_CPU_OMP_THREADS_BIND"] for copy in two] == ["0-23", "24-47"]


def test_a_model_of_this_host_is_mounted_and_served_under_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "models" / "mine").mkdir(parents=True)
    experiment = stack_experiment(tmp_path, "vllm_gpu", model_id="models/mine")
    container = only_container(experiment, host("nvidia", 1), folders=(tmp_path,))
    assert value_after("--model", container.command) == "/models/mine"
    assert value_after("--served-model-name", container.command) == "models/mine"
    assert Mount(tmp_path / "models" / "mine", "/models/mine") in container.mounts
    with pytest.raises(DeployError, match="model_id /no/such/model does not exist"):
        only_container(stack_experiment(tmp_path, "vllm_gpu", model_id="/no/such/model"), host("nvidia", 1))


# -- SGLang: docker run --gpus … --shm-size … -p 30000:30000 lmsysorg/sglang python3 -m sglang.launch_server
#    --model-path … --host 0.0.0.0 --port 30000 --tp N


def test_sglang(tmp_path: Path) -> None:
    spec = {"tp_degree": 2, "model_copies": "max", "cli_params": "--mem-fraction-static 0.8", "shm_size": "32g"}
    experiment = stack_experiment(tmp_path, "sglang", instance_type="g5.12xlarge", inference_spec=spec)
    first, second = containers(experiment)
    assert first.command[:3] == ("python3", "-m", "sglang.launch_server")
    assert value_after("--model-path", first.command) == "org/model"
    assert value_after("--tp", first.command) == "2"
    assert (value_after("--host", first.command), value_after("--port", first.command)) == ("0.0.0.0", "30000")
    assert value_after("--mem-fraction-static", first.command) == "0.8"
    assert "--enable-metrics" in first.command
    assert first.command.count("--trust-remote-code") == 1
    assert (first.container_port, first.health_path, sent_to(experiment, first)) == (
        30000,
        "/health",
        "/v1/chat/completions",
    )
    assert (first.devices.indices, second.devices.indices) == ((0, 1), (2, 3))
    assert (first.host_port, second.host_port, first.shm_size) == (30000, 30001, "32g")
    assert only_container(
        stack_experiment(tmp_path, "sglang", inference_spec={"cli_params": "--tp-size 4"}), host("nvidia", 8)
    ).devices == (Devices("nvidia", (0, 1, 2, 3)))


def test_sglang_has_the_shared_memory_that_fmbench_2_gave_it(tmp_path: Path) -> None:
    spec = {"cli_params": "--trust-remote-code"}
    container = only_container(stack_experiment(tmp_path, "sglang", inference_spec=spec), host("nvidia", 1))
    assert container.shm_size == "32g"
    assert container.command.count("--trust-remote-code") == 1


# -- TGI: docker run --gpus … --shm-size 1g -p 8080:80 -v DATA:/data ghcr.io/huggingface/text-generation-inference
#    --model-id … --num-shard N; POST /generate and /generate_stream; /health. TEI is run the same way.


@pytest.mark.parametrize(("stream", "path"), [(True, "/generate_stream"), (False, "/generate")])
def test_tgi(tmp_path: Path, stream: bool, path: str) -> None:
    spec = {"tp_degree": 2, "stream": stream, "container_params": {"max_total_tokens": 4096}}
    experiment = stack_experiment(tmp_path, "huggingface", instance_type="g5.12xlarge", inference_spec=spec)
    container = only_container(experiment)
    assert container.image.startswith("ghcr.io/huggingface/text-generation-inference:")
    assert f"image_uri is not set: {container.image} is used" in container.notes
    assert value_after("--model-id", container.command) == "org/model"
    assert value_after("--num-shard", container.command) == "2"
    assert value_after("--max-total-tokens", container.command) == "4096"
    assert (container.container_port, container.host_port, container.health_path) == (80, 8080, "/health")
    assert (experiment.protocol, sent_to(experiment, container)) == ("tgi", path)
    assert Mount(Path("/cache/huggingface"), "/data", read_only=False) in container.mounts
    assert container.environment == {"HF_HOME": "/data", "HUGGINGFACE_HUB_CACHE": "/data/hub"}


@pytest.mark.parametrize(
    ("longest", "parameters", "expected"),
    [
        (500, {"max_new_tokens": 100}, ("4090", "4096")),  # never below what FMBench 2.x sent
        (6000, {"max_new_tokens": 300}, ("5999", "6299")),
        (6000, {}, ("5999", "6099")),
    ],
)
def test_tgi_is_set_up_for_the_lengths_of_the_payload_files(
    tmp_path: Path, longest: int, parameters: dict[str, Any], expected: tuple[str, str]
) -> None:
    experiment = stack_experiment(tmp_path, "huggingface", inference_spec={"parameters": parameters})
    assert experiment.longest_prompt == 499
    container = only_container(experiment.model_copy(update={"longest_prompt": longest - 1}), host("nvidia", 1))
    prompt, total = (value_after(name, container.command) for name in ("--max-input-tokens", "--max-total-tokens"))
    assert (prompt, total) == expected


@pytest.mark.parametrize(
    "keys",
    [
        {"env": {"MAX_TOTAL_TOKENS": 2048}},
        {"inference_spec": {"container_params": {"max_total_tokens": 2048}}},
        {"inference_spec": {"cli_params": "--max-input-length 1024"}},
    ],
)
def test_lengths_of_the_config_are_left_alone(tmp_path: Path, keys: dict[str, Any]) -> None:
    """TGI refuses to start with a longest prompt that leaves no room for an answer."""
    container = only_container(stack_experiment(tmp_path, "huggingface", **keys), host("nvidia", 1))
    assert "--max-input-tokens" not in container.command


@pytest.mark.parametrize(("kind", "option"), [("huggingface", "--num-shard"), ("sglang", "--tp")])
def test_a_server_whose_parallelism_nobody_sets_gets_all_gpus(tmp_path: Path, kind: str, option: str) -> None:
    container = only_container(stack_experiment(tmp_path, kind), host("nvidia", 4))
    assert (container.devices.indices, value_after(option, container.command)) == ((0, 1, 2, 3), "4")
    two = containers(stack_experiment(tmp_path, kind, inference_spec={"model_copies": 2}), host("nvidia", 4))
    assert [copy.devices.indices for copy in two] == [(0, 1), (2, 3)]
    assert {value_after(option, copy.command) for copy in two} == {"2"}
    one = only_container(stack_experiment(tmp_path, kind, inference_spec={"tp_degree": 1}), host("nvidia", 4))
    assert (one.devices.indices, value_after(option, one.command)) == ((0,), "1")


def test_sglangs_data_parallelism_divides_all_gpus(tmp_path: Path) -> None:
    spec = {"cli_params": "--dp 2"}
    container = only_container(stack_experiment(tmp_path, "sglang", inference_spec=spec), host("nvidia", 8))
    assert (len(container.devices.indices), value_after("--tp", container.command)) == (8, "4")


def test_tgi_on_neuron_gets_its_number_of_cores(tmp_path: Path) -> None:
    container = only_container(
        stack_experiment(tmp_path, "huggingface", inference_spec={"tp_degree": 4}), host("neuron", 12, 2)
    )
    assert container.image.endswith("-neuron")
    assert (container.environment["HF_NUM_CORES"], container.devices.indices) == ("4", (0, 1))
    assert "--num-shard" not in container.command


def test_awss_build_of_tgi_is_configured_by_variables(tmp_path: Path) -> None:
    image = "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-tgi-inference:2.4.0-tgi2.4.0-gpu-py311"
    spec = {"tp_degree": 2, "container_params": {"max_total_tokens": 4096}}
    container = only_container(
        stack_experiment(tmp_path, "huggingface", image_uri=image, inference_spec=spec), host("nvidia", 2)
    )
    expected = {"HF_MODEL_ID": "org/model", "SM_NUM_GPUS": "2", "MAX_TOTAL_TOKENS": "4096"}
    assert "MAX_INPUT_LENGTH" not in container.environment
    assert container.environment.items() >= expected.items()
    assert (container.command, container.container_port) == ((), 8080)


def test_awss_build_of_tgi_mounts_a_model_of_this_host(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    experiment = stack_experiment(
        tmp_path, "huggingface", model_id="mine", image_uri="ecr/huggingface-pytorch-tgi-inference:2"
    )
    container = only_container(experiment, host("nvidia", 1), folders=(tmp_path,))
    assert container.environment["HF_MODEL_ID"] == "/models/mine"
    assert Mount(tmp_path / "mine", "/models/mine") in container.mounts


def test_embeddings_are_served_by_tei(tmp_path: Path) -> None:
    experiment = stack_experiment(
        tmp_path, "huggingface", protocol="openai", ep_name="http://localhost:8080/v1/embeddings"
    )
    container = only_container(experiment, host())
    assert container.image == "ghcr.io/huggingface/text-embeddings-inference:cpu-1.8"
    assert (container.container_port, sent_to(experiment, container)) == (80, "/v1/embeddings")
    assert value_after("--model-id", container.command) == "org/model"
    asks = stack_experiment(tmp_path, "huggingface", inference_spec={"parameters": {"mode": "embedding"}})
    with pytest.raises(DeployError, match="embeddings need protocol openai, not tgi"):
        containers(asks, host())


# -- Ollama: docker run --gpus … -v ollama:/root/.ollama -p 11434:11434 ollama/ollama; then POST /api/pull {"model": …},
#    whose lines end with {"status": "success"}; POST /api/generate, which without a prompt only loads the model


def test_ollama(tmp_path: Path) -> None:
    experiment = stack_experiment(
        tmp_path, "ollama", model_id="llama3.2:1b", inference_spec={"batch_size": 4}, image_uri="ec2"
    )
    container = only_container(experiment, host("nvidia", 2))
    assert container.image == "ollama/ollama:latest"
    assert container.devices.indices == (0, 1)
    assert (container.container_port, container.health_path, sent_to(experiment, container)) == (
        11434,
        "/api/version",
        "/api/generate",
    )
    assert container.after_start == (
        StartRequest("/api/pull", {"model": "llama3.2:1b", "stream": True}, "pulls llama3.2:1b"),
        StartRequest("/api/generate", {"model": "llama3.2:1b", "stream": False}, "loads llama3.2:1b"),
    )
    assert container.mounts == (Mount(Path.home() / ".ollama", "/root/.ollama", read_only=False),)
    assert container.environment == {"OLLAMA_KEEP_ALIVE": "-1", "OLLAMA_NUM_PARALLEL": "4"}
    assert (container.command, container.secrets) == ((), ())
    assert only_container(experiment, host()).devices == Devices()


def test_ollama_pulls_the_model_that_requests_name(tmp_path: Path) -> None:
    experiment = stack_experiment(
        tmp_path, "ollama", model_id="llama", inference_spec={"parameters": {"model": "llama3.2:1b"}}
    )
    assert only_container(experiment, host()).after_start[0].body["model"] == "llama3.2:1b"
    with pytest.raises(DeployError, match="Ollama's server takes no options"):
        containers(stack_experiment(tmp_path, "ollama", inference_spec={"cli_params": "--fast"}), host())


# -- llama.cpp: docker run -v MODELS:/models -p 8080:8080 ghcr.io/ggml-org/llama.cpp:server -m /models/FILE
#    --host 0.0.0.0 --port 8080, -np slots, -ngl layers on GPUs; --hf-repo and --hf-file fetch; /health,
#    /v1/chat/completions, /completion


def test_llama_server_with_a_file(tmp_path: Path) -> None:
    (tmp_path / "tiny.gguf").touch()
    spec = {"batch_size": 4, "container_params": {"ctx_size": 4096}}
    experiment = stack_experiment(tmp_path, "llama_server", model_id="tiny.gguf", inference_spec=spec)
    container = only_container(experiment, host(), folders=(tmp_path,))
    assert container.image == "ghcr.io/ggml-org/llama.cpp:server"
    assert value_after("--model", container.command) == "/models/tiny.gguf"
    assert container.mounts == (Mount(tmp_path / "tiny.gguf", "/models/tiny.gguf"),)
    assert (value_after("--host", container.command), value_after("--port", container.command)) == ("0.0.0.0", "8080")
    assert (value_after("--parallel", container.command), value_after("--ctx-size", container.command)) == ("4", "4096")
    assert value_after("--alias", container.command) == "tiny.gguf"
    assert "--metrics" in container.command
    assert "--n-gpu-layers" not in container.command
    assert (container.container_port, container.health_path, sent_to(experiment, container)) == (
        8080,
        "/health",
        "/v1/chat/completions",
    )


def test_llama_server_downloads_a_hub_model_onto_gpus(tmp_path: Path) -> None:
    experiment = stack_experiment(tmp_path, "llama_server", model_id="org/repo/file-q4.gguf", protocol="llama_cpp")
    container = only_container(experiment, host("nvidia", 1))
    assert container.image == "ghcr.io/ggml-org/llama.cpp:server-cuda"
    assert (value_after("--hf-repo", container.command), value_after("--hf-file", container.command)) == (
        "org/repo",
        "file-q4.gguf",
    )
    assert value_after("--n-gpu-layers", container.command) == "999"
    assert sent_to(experiment, container) == "/completion"
    assert not container.mounts[0].read_only
    with pytest.raises(DeployError, match=r"write a path ending in \.gguf, org/repo or org/repo/file\.gguf"):
        containers(stack_experiment(tmp_path, "llama_server", model_id="nothing"), host())


def test_llama_server_with_the_embedded_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = tmp_path / "small.gguf"
    monkeypatch.setattr(llama_cpp_server, "model_file", lambda model, folders: weights)
    container = only_container(stack_experiment(tmp_path, "llama_server", model_id=EMBEDDED_MODEL), host())
    assert container.mounts == (Mount(weights, "/models/small.gguf"),)
    assert value_after("--alias", container.command) == EMBEDDED_MODEL


# -- what all of them have in common


@pytest.mark.parametrize("kind", sorted(STACKS))
def test_containers_hold_the_names_of_secrets_but_not_their_values(tmp_path: Path, kind: str) -> None:
    keys = {
        "model_id": "org/model/f.gguf",
        "env": {"MY_API_KEY": "sk-0123456789abcdefghij", "PLAIN": True, "EMPTY": None},
    }
    needed = "none" if STACKS[kind].kinds == ("none",) else "nvidia"
    container = only_container(stack_experiment(tmp_path, kind, **keys), host(needed, 0 if needed == "none" else 1))  # type: ignore[arg-type]
    assert "sk-0123456789" not in repr(container)
    assert "MY_API_KEY" in container.secrets
    assert container.environment["PLAIN"] == "true"
    assert "EMPTY" not in container.environment
    assert {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"} <= set(container.secrets) or kind == "ollama"


@pytest.mark.parametrize("kind", sorted(STACKS))
def test_the_path_in_ep_name_is_used(tmp_path: Path, kind: str) -> None:
    needed = "none" if STACKS[kind].kinds == ("none",) else "nvidia"
    experiment = stack_experiment(
        tmp_path, kind, model_id="a/b/c.gguf", ep_name="http://localhost:8123/v2/models/ensemble/generate"
    )
    container = only_container(experiment, host(needed, 0 if needed == "none" else 1))  # type: ignore[arg-type]
    assert (container.host_port, container.path) == (8123, "/v2/models/ensemble/generate")


@pytest.mark.parametrize(
    ("kind", "spec", "port"),
    [
        ("vllm_gpu", {"cli_params": "--port 9000"}, 9000),
        ("vllm_gpu", {"container_params": {"port": 9000}}, 9000),
        ("sglang", {"cli_params": "--port=9000"}, 9000),
        ("huggingface", {"cli_params": "--port 9000"}, 9000),
        ("huggingface", {"cli_params": "-p 9000"}, 9000),
        ("huggingface", {"parameters": {"mode": "embedding"}, "cli_params": "-p 9000"}, 9000),
        ("llama_server", {"cli_params": "--port 9000"}, 9000),
        ("triton", {"backend": "vllm", "cli_params": "--http-port 9000"}, 9000),
        ("triton", {"backend": "vllm"}, 8000),
    ],
)
def test_the_published_port_is_the_servers(tmp_path: Path, kind: str, spec: dict[str, Any], port: int) -> None:
    protocol = "openai" if "parameters" in spec else None
    container = only_container(
        stack_experiment(tmp_path, kind, inference_spec=spec, protocol=protocol), host("nvidia", 1)
    )
    assert container.container_port == port
    message = container.files[triton_files.START].split() if kind == "triton" else container.command
    assert sum(word.partition("=")[0] in ("--port", "-p", "--http-port") for word in message) == 1


@pytest.mark.parametrize("port", ["0", "http", "-1"])
def test_an_invalid_port_is_a_one_line_error(tmp_path: Path, port: str) -> None:
    experiment = stack_experiment(tmp_path, "vllm_gpu", inference_spec={"cli_params": f"--port={port}"})
    with pytest.raises(DeployError, match=f"--port is '{port}'; write a whole number, 1 or more"):
        containers(experiment, host("nvidia", 1))


def test_options_are_recognised_in_either_spelling(tmp_path: Path) -> None:
    spec = {"cli_params": "--tensor_parallel_size 2 --max_num_seqs=16", "batch_size": 8}
    container = only_container(stack_experiment(tmp_path, "vllm_gpu", inference_spec=spec), host("nvidia", 4))
    assert container.devices.indices == (0, 1)
    assert "--tensor-parallel-size" not in container.command
    assert "--max-num-seqs" not in container.command


@pytest.mark.parametrize("name", ["plain", "org/model", "org model", "-dash-", "ü" * 16])
def test_container_names_are_valid_in_docker(tmp_path: Path, name: str) -> None:
    container = only_container(stack_experiment(tmp_path, "llama_server", name=name), host())
    assert container.name.startswith("fmbench-run-")
    assert container.name.isascii()
    assert all(character.isalnum() or character in "_.-" for character in container.name)
    others = [
        only_container(stack_experiment(tmp_path, "llama_server", name=other), host()).name
        for other in ("org-model", "orgmodel")
    ]
    assert container.name not in others


def test_options_may_be_flags_and_an_unclosed_quote_is_an_error(tmp_path: Path) -> None:
    params = {"enforce_eager": True, "disable_log_stats": False, "dtype": None, "max_model_len": 1024}
    container = only_container(
        stack_experiment(tmp_path, "vllm_gpu", inference_spec={"container_params": params}), host("nvidia", 1)
    )
    assert container.command[-3:] == ("--enforce-eager", "--max-model-len", "1024")
    with pytest.raises(DeployError, match="into options: No closing quotation"):
        containers(
            stack_experiment(tmp_path, "vllm_gpu", inference_spec={"cli_params": "--name 'open"}), host("nvidia", 1)
        )


def test_an_image_with_an_unknown_region_has_a_note(tmp_path: Path) -> None:
    image = "763104351884.dkr.ecr.{region}.amazonaws.com/djl-inference:0.29.0-lmi11.0.0-cu124"
    container = only_container(stack_experiment(tmp_path, "djl", image_uri=image), host("nvidia", 1))
    assert container.notes == ("{region} in image_uri is unknown: set AWS_REGION, or write the full image name",)


def test_a_plan_shows_the_first_copy_in_full_and_the_differences_of_the_others(tmp_path: Path) -> None:
    spec = {"model_copies": "max", "tp_degree": 2}
    container = containers(stack_experiment(tmp_path, "vllm_gpu", instance_type="g5.12xlarge", inference_spec=spec))
    first, second = describe(container[0]).splitlines(), describe(container[1]).splitlines()
    assert first[0] == (
        "fmbench-run-tried-1: vllm/vllm-openai:latest on GPUs 0,1, port 8000 → 8000/v1/chat/completions, "
        "shared memory 12g"
    )
    assert "  mounts /cache/huggingface at /root/.cache/huggingface (writable)" in first
    assert describe_all(container).splitlines() == [*first, second[0]]
