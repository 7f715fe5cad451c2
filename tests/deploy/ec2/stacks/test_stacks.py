"""Each serving stack's container against what the stack's own documentation tells a person to run."""

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
from tests.deploy.on_ec2 import after, asked, containers, host, one, sent_to


@pytest.fixture(autouse=True)
def models_of_this_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", "/cache/huggingface")


def test_every_container_type_has_a_stack() -> None:
    assert set(STACKS) == set(CONTAINER_TYPES)


# -- vLLM: docker run --gpus … -v ~/.cache/huggingface:/root/.cache/huggingface --env HF_TOKEN -p 8000:8000 --ipc=host
#    (or --shm-size) vllm/vllm-openai --model …; the entry point is the server, --tensor-parallel-size GPUs per model


def test_vllm_on_gpus(tmp_path: Path) -> None:
    given = asked(
        tmp_path,
        "vllm_gpu",
        instance_type="g6e.24xlarge",
        image_uri="vllm/vllm-openai:v0.11.0",
        inference_spec={"tp_degree": 4, "batch_size": 64, "container_params": {"max_model_len": 8192, "tp_degree": 4}},
        env={"VLLM_LOGGING_LEVEL": "DEBUG"},
    )
    made = one(given)
    assert made.image == "vllm/vllm-openai:v0.11.0"
    assert made.entrypoint is None
    assert after("--model", made.command) == "org/model"
    assert after("--tensor-parallel-size", made.command) == "4"
    assert after("--max-model-len", made.command) == "8192"
    assert after("--max-num-seqs", made.command) == "64"
    assert "--tp-degree" not in made.command
    assert (after("--host", made.command), after("--port", made.command)) == ("0.0.0.0", str(made.container_port))
    assert (made.container_port, made.health_path, sent_to(given, made)) == (8000, "/health", "/v1/chat/completions")
    assert made.mounts == (Mount(Path("/cache/huggingface"), "/root/.cache/huggingface", read_only=False),)
    assert (made.devices, made.shm_size) == (Devices("nvidia", (0, 1, 2, 3)), "12g")
    assert made.environment == {"VLLM_LOGGING_LEVEL": "DEBUG"}
    assert made.secrets == VARIABLES


def test_vllms_own_options_come_last_and_tell_how_many_gpus_it_needs(tmp_path: Path) -> None:
    spec = {"cli_params": "--tensor-parallel-size 2 -pp 2 --port 9000 --chat-template 'a b.jinja'"}
    given = asked(tmp_path, "vllm_gpu", instance_type="g5.48xlarge", inference_spec=spec)
    made = one(given)
    assert made.devices.indices == (0, 1, 2, 3)
    assert made.command.count("--tensor-parallel-size") == made.command.count("--port") == 1
    assert made.command[-2:] == ("--chat-template", "a b.jinja")


def test_options_that_ask_for_more_than_the_type_has_are_planned_with_a_note(tmp_path: Path) -> None:
    spec = {"cli_params": "--tensor-parallel-size 8"}
    given = asked(tmp_path, "vllm_gpu", instance_type="g6e.12xlarge", inference_spec=spec)
    made = one(given)
    assert made.devices.indices == (0, 1, 2, 3)
    assert "ask for 8 accelerators, and g6e.12xlarge has 4 GPUs: it will not start there" in made.notes[-1]
    with pytest.raises(DeployError, match="tp_degree 8 needs 8 GPUs; the host has 4 GPUs"):
        containers(given, host("nvidia", 4, source="nvml"))


def test_two_numbers_that_contradict_each_other(tmp_path: Path) -> None:
    def copies(ours: int, own: int) -> Container:
        spec = {"tp_degree": ours, "cli_params": f"--tensor-parallel-size {own}"}
        return one(asked(tmp_path, "vllm_gpu", inference_spec=spec), host("nvidia", 8))

    with pytest.raises(DeployError, match="gives each copy 2 accelerators, but the server's own settings ask for 4"):
        copies(2, 4)
    assert "tp_degree is 4, but 2 in the server's own settings" in copies(4, 2).notes
    assert not any("tp_degree" in note for note in copies(2, 2).notes)


def test_vllm_on_a_cpu(tmp_path: Path) -> None:
    """VLLM_CPU_OMP_THREADS_BIND says which cores a server computes on, VLLM_CPU_KVCACHE_SPACE how many GiB it keeps."""
    keys = {"image_uri": "vllm-cpu-env", "env": {"VLLM_CPU_KVCACHE_SPACE": 40}, "instance_type": "m7i.12xlarge"}
    given = asked(tmp_path, "vllm", ec2={"privileged_mode": True}, **keys)
    made = one(given, cores=48)
    assert (made.image, made.devices, made.privileged) == ("vllm-cpu-env", Devices(), True)
    assert made.environment == {"VLLM_CPU_KVCACHE_SPACE": "40"}
    assert "--tensor-parallel-size" not in made.command
    two = containers(asked(tmp_path, "vllm", inference_spec={"model_copies": 2}, **keys), cores=48)
    assert [copy.environment["VLLM_CPU_OMP_THREADS_BIND"] for copy in two] == ["0-23", "24-47"]


def test_a_model_of_this_host_is_seen_by_its_container_under_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "models" / "mine").mkdir(parents=True)
    given = asked(tmp_path, "vllm_gpu", model_id="models/mine")
    made = one(given, host("nvidia", 1), folders=(tmp_path,))
    assert after("--model", made.command) == "/models/mine"
    assert after("--served-model-name", made.command) == "models/mine"
    assert Mount(tmp_path / "models" / "mine", "/models/mine") in made.mounts
    with pytest.raises(DeployError, match="model_id /no/such/model does not exist"):
        one(asked(tmp_path, "vllm_gpu", model_id="/no/such/model"), host("nvidia", 1))


# -- SGLang: docker run --gpus … --shm-size … -p 30000:30000 lmsysorg/sglang python3 -m sglang.launch_server
#    --model-path … --host 0.0.0.0 --port 30000 --tp N


def test_sglang(tmp_path: Path) -> None:
    spec = {"tp_degree": 2, "model_copies": "max", "cli_params": "--mem-fraction-static 0.8", "shm_size": "32g"}
    given = asked(tmp_path, "sglang", instance_type="g5.12xlarge", inference_spec=spec)
    first, second = containers(given)
    assert first.command[:3] == ("python3", "-m", "sglang.launch_server")
    assert after("--model-path", first.command) == "org/model"
    assert after("--tp", first.command) == "2"
    assert (after("--host", first.command), after("--port", first.command)) == ("0.0.0.0", "30000")
    assert after("--mem-fraction-static", first.command) == "0.8"
    assert "--enable-metrics" in first.command
    assert (first.container_port, first.health_path, sent_to(given, first)) == (
        30000,
        "/health",
        "/v1/chat/completions",
    )
    assert (first.devices.indices, second.devices.indices) == ((0, 1), (2, 3))
    assert (first.host_port, second.host_port, first.shm_size) == (30000, 30001, "32g")
    assert one(asked(tmp_path, "sglang", inference_spec={"cli_params": "--tp-size 4"}), host("nvidia", 8)).devices == (
        Devices("nvidia", (0, 1, 2, 3))
    )


# -- TGI: docker run --gpus … --shm-size 1g -p 8080:80 -v DATA:/data ghcr.io/huggingface/text-generation-inference
#    --model-id … --num-shard N; POST /generate and /generate_stream; /health. TEI is run the same way.


@pytest.mark.parametrize(("stream", "path"), [(True, "/generate_stream"), (False, "/generate")])
def test_tgi(tmp_path: Path, stream: bool, path: str) -> None:
    spec = {"tp_degree": 2, "stream": stream, "container_params": {"max_total_tokens": 4096}}
    given = asked(tmp_path, "huggingface", instance_type="g5.12xlarge", inference_spec=spec)
    made = one(given)
    assert made.image.startswith("ghcr.io/huggingface/text-generation-inference:")
    assert f"image_uri is not set: {made.image} is used" in made.notes
    assert after("--model-id", made.command) == "org/model"
    assert after("--num-shard", made.command) == "2"
    assert after("--max-total-tokens", made.command) == "4096"
    assert (made.container_port, made.host_port, made.health_path) == (80, 8080, "/health")
    assert (given.protocol, sent_to(given, made)) == ("tgi", path)
    assert Mount(Path("/cache/huggingface"), "/data", read_only=False) in made.mounts
    assert made.environment == {"HF_HOME": "/data", "HUGGINGFACE_HUB_CACHE": "/data/hub"}


def test_tgi_on_neuron_is_told_its_cores(tmp_path: Path) -> None:
    made = one(asked(tmp_path, "huggingface", inference_spec={"tp_degree": 4}), host("neuron", 12, 2))
    assert made.image.endswith("-neuron")
    assert (made.environment["HF_NUM_CORES"], made.devices.indices) == ("4", (0, 1))
    assert "--num-shard" not in made.command


def test_awss_build_of_tgi_is_set_up_by_variables(tmp_path: Path) -> None:
    image = "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-tgi-inference:2.4.0-tgi2.4.0-gpu-py311"
    spec = {"tp_degree": 2, "container_params": {"max_total_tokens": 4096}}
    made = one(asked(tmp_path, "huggingface", image_uri=image, inference_spec=spec), host("nvidia", 2))
    expected = {"HF_MODEL_ID": "org/model", "SM_NUM_GPUS": "2", "MAX_TOTAL_TOKENS": "4096"}
    assert made.environment.items() >= expected.items()
    assert (made.command, made.container_port) == ((), 8080)


def test_awss_build_of_tgi_sees_a_model_of_this_host(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    given = asked(tmp_path, "huggingface", model_id="mine", image_uri="ecr/huggingface-pytorch-tgi-inference:2")
    made = one(given, host("nvidia", 1), folders=(tmp_path,))
    assert made.environment["HF_MODEL_ID"] == "/models/mine"
    assert Mount(tmp_path / "mine", "/models/mine") in made.mounts


def test_embeddings_are_made_by_tei(tmp_path: Path) -> None:
    given = asked(tmp_path, "huggingface", protocol="openai", ep_name="http://localhost:8080/v1/embeddings")
    made = one(given, host())
    assert made.image == "ghcr.io/huggingface/text-embeddings-inference:cpu-1.8"
    assert (made.container_port, sent_to(given, made)) == (80, "/v1/embeddings")
    assert after("--model-id", made.command) == "org/model"
    asks = asked(tmp_path, "huggingface", inference_spec={"parameters": {"mode": "embedding"}})
    with pytest.raises(DeployError, match="embeddings need protocol openai, not tgi"):
        containers(asks, host())


# -- Ollama: docker run --gpus … -v ollama:/root/.ollama -p 11434:11434 ollama/ollama; then POST /api/pull {"model": …},
#    whose lines end with {"status": "success"}; POST /api/generate, which without a prompt only loads the model


def test_ollama(tmp_path: Path) -> None:
    given = asked(tmp_path, "ollama", model_id="llama3.2:1b", inference_spec={"batch_size": 4}, image_uri="ec2")
    made = one(given, host("nvidia", 2))
    assert made.image == "ollama/ollama:latest"
    assert made.devices.indices == (0, 1)
    assert (made.container_port, made.health_path, sent_to(given, made)) == (11434, "/api/version", "/api/generate")
    assert made.after_start == (
        StartRequest("/api/pull", {"model": "llama3.2:1b", "stream": True}, "pulls llama3.2:1b"),
        StartRequest("/api/generate", {"model": "llama3.2:1b", "stream": False}, "loads llama3.2:1b"),
    )
    assert made.mounts == (Mount(Path.home() / ".ollama", "/root/.ollama", read_only=False),)
    assert made.environment == {"OLLAMA_KEEP_ALIVE": "-1", "OLLAMA_NUM_PARALLEL": "4"}
    assert (made.command, made.secrets) == ((), ())
    assert one(given, host()).devices == Devices()


def test_the_model_that_requests_name_is_the_one_that_is_pulled(tmp_path: Path) -> None:
    given = asked(tmp_path, "ollama", model_id="llama", inference_spec={"parameters": {"model": "llama3.2:1b"}})
    assert one(given, host()).after_start[0].body["model"] == "llama3.2:1b"
    with pytest.raises(DeployError, match="Ollama's server takes no options"):
        containers(asked(tmp_path, "ollama", inference_spec={"cli_params": "--fast"}), host())


# -- llama.cpp: docker run -v MODELS:/models -p 8080:8080 ghcr.io/ggml-org/llama.cpp:server -m /models/FILE
#    --host 0.0.0.0 --port 8080, -np slots, -ngl layers on GPUs; --hf-repo and --hf-file fetch; /health,
#    /v1/chat/completions, /completion


def test_llama_server_with_a_file(tmp_path: Path) -> None:
    (tmp_path / "tiny.gguf").touch()
    spec = {"batch_size": 4, "container_params": {"ctx_size": 4096}}
    given = asked(tmp_path, "llama_server", model_id="tiny.gguf", inference_spec=spec)
    made = one(given, host(), folders=(tmp_path,))
    assert made.image == "ghcr.io/ggml-org/llama.cpp:server"
    assert after("--model", made.command) == "/models/tiny.gguf"
    assert made.mounts == (Mount(tmp_path / "tiny.gguf", "/models/tiny.gguf"),)
    assert (after("--host", made.command), after("--port", made.command)) == ("0.0.0.0", "8080")
    assert (after("--parallel", made.command), after("--ctx-size", made.command)) == ("4", "4096")
    assert after("--alias", made.command) == "tiny.gguf"
    assert "--metrics" in made.command
    assert "--n-gpu-layers" not in made.command
    assert (made.container_port, made.health_path, sent_to(given, made)) == (8080, "/health", "/v1/chat/completions")


def test_llama_server_fetches_a_model_of_the_hub_and_puts_it_on_gpus(tmp_path: Path) -> None:
    given = asked(tmp_path, "llama_server", model_id="org/repo/file-q4.gguf", protocol="llama_cpp")
    made = one(given, host("nvidia", 1))
    assert made.image == "ghcr.io/ggml-org/llama.cpp:server-cuda"
    assert (after("--hf-repo", made.command), after("--hf-file", made.command)) == ("org/repo", "file-q4.gguf")
    assert after("--n-gpu-layers", made.command) == "999"
    assert sent_to(given, made) == "/completion"
    assert not made.mounts[0].read_only
    with pytest.raises(DeployError, match=r"write a path ending in \.gguf, org/repo or org/repo/file\.gguf"):
        containers(asked(tmp_path, "llama_server", model_id="nothing"), host())


def test_llama_server_with_the_embedded_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = tmp_path / "small.gguf"
    monkeypatch.setattr(llama_cpp_server, "model_file", lambda model, folders: weights)
    made = one(asked(tmp_path, "llama_server", model_id=EMBEDDED_MODEL), host())
    assert made.mounts == (Mount(weights, "/models/small.gguf"),)
    assert after("--alias", made.command) == EMBEDDED_MODEL


# -- what all of them have in common


@pytest.mark.parametrize("kind", sorted(STACKS))
def test_no_secret_stands_in_a_container_and_its_name_is_known(tmp_path: Path, kind: str) -> None:
    keys = {
        "model_id": "org/model/f.gguf",
        "env": {"MY_API_KEY": "sk-0123456789abcdefghij", "PLAIN": True, "EMPTY": None},
    }
    needed = "none" if STACKS[kind].kinds == ("none",) else "nvidia"
    made = one(asked(tmp_path, kind, **keys), host(needed, 0 if needed == "none" else 1))  # type: ignore[arg-type]
    assert "sk-0123456789" not in repr(made)
    assert "MY_API_KEY" in made.secrets
    assert made.environment["PLAIN"] == "true"
    assert "EMPTY" not in made.environment
    assert {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"} <= set(made.secrets) or kind == "ollama"


@pytest.mark.parametrize("kind", sorted(STACKS))
def test_an_address_with_a_path_says_where_requests_go(tmp_path: Path, kind: str) -> None:
    needed = "none" if STACKS[kind].kinds == ("none",) else "nvidia"
    given = asked(tmp_path, kind, model_id="a/b/c.gguf", ep_name="http://localhost:8123/v2/models/ensemble/generate")
    made = one(given, host(needed, 0 if needed == "none" else 1))  # type: ignore[arg-type]
    assert (made.host_port, made.path) == (8123, "/v2/models/ensemble/generate")


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
def test_the_port_that_is_published_is_the_one_that_the_server_listens_on(
    tmp_path: Path, kind: str, spec: dict[str, Any], port: int
) -> None:
    protocol = "openai" if "parameters" in spec else None
    made = one(asked(tmp_path, kind, inference_spec=spec, protocol=protocol), host("nvidia", 1))
    assert made.container_port == port
    said = made.files[triton_files.START].split() if kind == "triton" else made.command
    assert sum(word.partition("=")[0] in ("--port", "-p", "--http-port") for word in said) == 1


@pytest.mark.parametrize("port", ["0", "http", "-1"])
def test_a_port_that_is_none_is_one_clear_line(tmp_path: Path, port: str) -> None:
    given = asked(tmp_path, "vllm_gpu", inference_spec={"cli_params": f"--port={port}"})
    with pytest.raises(DeployError, match=f"--port is '{port}'; write a whole number, 1 or more"):
        containers(given, host("nvidia", 1))


def test_an_option_counts_in_either_spelling(tmp_path: Path) -> None:
    spec = {"cli_params": "--tensor_parallel_size 2 --max_num_seqs=16", "batch_size": 8}
    made = one(asked(tmp_path, "vllm_gpu", inference_spec=spec), host("nvidia", 4))
    assert made.devices.indices == (0, 1)
    assert "--tensor-parallel-size" not in made.command
    assert "--max-num-seqs" not in made.command


@pytest.mark.parametrize("name", ["plain", "org/model", "org model", "-dash-", "ü" * 100])
def test_a_containers_name_is_one_that_docker_takes(tmp_path: Path, name: str) -> None:
    made = one(asked(tmp_path, "llama_server", name=name), host())
    assert made.name.startswith("fmbench-run-")
    assert made.name.isascii()
    assert all(character.isalnum() or character in "_.-" for character in made.name)
    others = [one(asked(tmp_path, "llama_server", name=other), host()).name for other in ("org-model", "orgmodel")]
    assert made.name not in others


def test_an_option_may_be_a_flag_and_an_open_quote_is_said(tmp_path: Path) -> None:
    params = {"enforce_eager": True, "disable_log_stats": False, "dtype": None, "max_model_len": 1024}
    made = one(asked(tmp_path, "vllm_gpu", inference_spec={"container_params": params}), host("nvidia", 1))
    assert made.command[-3:] == ("--enforce-eager", "--max-model-len", "1024")
    with pytest.raises(DeployError, match="into options: No closing quotation"):
        containers(asked(tmp_path, "vllm_gpu", inference_spec={"cli_params": "--name 'open"}), host("nvidia", 1))


def test_an_image_of_an_unknown_region_is_noted(tmp_path: Path) -> None:
    image = "763104351884.dkr.ecr.{region}.amazonaws.com/djl-inference:0.29.0-lmi11.0.0-cu124"
    made = one(asked(tmp_path, "djl", image_uri=image), host("nvidia", 1))
    assert made.notes == ("{region} in image_uri is unknown: set AWS_REGION, or write the full image name",)


def test_a_plan_shows_the_first_copy_in_full_and_of_the_others_what_is_different(tmp_path: Path) -> None:
    spec = {"model_copies": "max", "tp_degree": 2}
    made = containers(asked(tmp_path, "vllm_gpu", instance_type="g5.12xlarge", inference_spec=spec))
    first, second = describe(made[0]).splitlines(), describe(made[1]).splitlines()
    assert first[0] == (
        "fmbench-run-tried-1: vllm/vllm-openai:latest on GPUs 0,1, port 8000 → 8000/v1/chat/completions, "
        "shared memory 12g"
    )
    assert "  mounts /cache/huggingface at /root/.cache/huggingface (writable)" in first
    assert describe_all(made).splitlines() == [*first, second[0]]
