"""The files of Triton's model repositories, and the scripts that its containers run at start."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

START = "start.sh"
_ESCAPED_COMMA = "\\,"
"""How a value escapes a comma for TensorRT-LLM's template tool."""

VLLM_CONFIG = """\
backend: "vllm"

# vLLM decides where the model runs.
instance_group [
  {
    count: 1
    kind: KIND_MODEL
  }
]
"""

DJL_CONFIG = """\
backend: "python"
max_batch_size: 0
model_transaction_policy { decoupled: true }

input [
  { name: "text_input", data_type: TYPE_STRING, dims: [ 1 ] },
  { name: "sampling_parameters", data_type: TYPE_STRING, dims: [ 1 ], optional: true }
]
output [ { name: "text_output", data_type: TYPE_STRING, dims: [ -1 ] } ]

instance_group [ { count: 1, kind: KIND_MODEL } ]
"""

_TENSORRT = """\
set -euo pipefail

# The weights, and the sources of the version in the image, which contain the model repository.
model={model}
if [ ! -d "$model" ]; then
  model=$(python3 -c 'import sys, huggingface_hub; print(huggingface_hub.snapshot_download(sys.argv[1]))' "$model")
fi
version=$(python3 -c 'import tensorrt_llm; print(tensorrt_llm.__version__)' | tail -n 1)
cd /tmp
export GIT_LFS_SKIP_SMUDGE=1
git clone --quiet --depth 1 --branch "v$version" https://github.com/NVIDIA/TensorRT-LLM.git
backend=TensorRT-LLM/triton_backend
if [ ! -d $backend ]; then  # before it was merged into TensorRT-LLM
  backend=tensorrtllm_backend
  git clone --quiet --depth 1 --branch "v$version" https://github.com/triton-inference-server/$backend.git
fi
family={family}
convert=$(find TensorRT-LLM/examples -path "*/$family/convert_checkpoint.py" | head -n 1)
if [ -z "$convert" ]; then
  echo "TensorRT-LLM $version has no convert_checkpoint.py for $family" >&2
  exit 1
fi

python3 "$convert" --model_dir "$model" --output_dir /tmp/checkpoint \\
  --dtype {dtype} --tp_size {tp_degree} --workers {tp_degree}
trtllm-build --checkpoint_dir /tmp/checkpoint --output_dir /tmp/engine --gpt_attention_plugin {dtype} \\
  --gemm_plugin {dtype} --remove_input_padding enable --context_fmha enable \\
  --max_batch_size {batch_size} --workers {tp_degree}{build}

cp -r $backend/all_models/inflight_batcher_llm /tmp/repository
fill() {{ python3 $backend/tools/fill_template.py -i "/tmp/repository/$1/config.pbtxt" "$2"; }}
fill preprocessing "tokenizer_dir:$model,triton_max_batch_size:{batch_size},preprocessing_instance_count:1"
fill postprocessing "tokenizer_dir:$model,triton_max_batch_size:{batch_size},postprocessing_instance_count:1"
fill tensorrt_llm_bls \\
  "triton_max_batch_size:{batch_size},decoupled_mode:{decoupled},bls_instance_count:1,logits_datatype:TYPE_FP32"
fill ensemble triton_max_batch_size:{batch_size},logits_datatype:TYPE_FP32
fill tensorrt_llm {settings}

# The launcher leaves the servers in the background: wait while they run.
python3 $backend/scripts/launch_triton_server.py --world_size {tp_degree} --model_repo /tmp/repository \\
  --http_port {port}
sleep 10
while pidof tritonserver > /dev/null; do sleep 5; done
echo "Triton has ended" >&2
exit 1
"""


def tensorrt_script(
    model: str, *, tp_degree: int, batch_size: int, stream: bool, port: int, settings: Mapping[str, str]
) -> str:
    """The script that builds TensorRT-LLM's engine, fills in the model repository and starts Triton.

    `settings` may set the `dtype` (float16), the `family` of the model among TensorRT-LLM's examples (llama), and
    `trtllm-build`'s `max_input_len`, `max_seq_len` and `max_num_tokens`; all others are settings of the `tensorrt_llm`
    model. A model that streams answers in decoupled mode.
    """
    script_defaults = {"dtype": "float16", "family": "llama"}
    build_options = ("max_input_len", "max_seq_len", "max_num_tokens")
    decoupled = "True" if stream else "False"
    model_settings = {
        "triton_backend": "tensorrtllm",
        "triton_max_batch_size": str(batch_size),
        "decoupled_mode": decoupled,
        "max_beam_width": "1",
        "engine_dir": "/tmp/engine",
        "exclude_input_in_output": "True",
        "batching_strategy": "inflight_fused_batching",
        "max_queue_delay_microseconds": "0",
        "max_queue_size": "0",
        "encoder_input_features_data_type": "TYPE_FP16",
        "logits_datatype": "TYPE_FP32",
        **{key: value for key, value in settings.items() if key not in script_defaults and key not in build_options},
    }
    build = "".join(f" --{key} {shlex.quote(settings[key])}" for key in build_options if key in settings)
    return _TENSORRT.format(
        model=shlex.quote(model),
        **{key: shlex.quote(settings.get(key, default)) for key, default in script_defaults.items()},
        tp_degree=tp_degree,
        batch_size=batch_size,
        decoupled=decoupled,
        build=build,
        settings=shlex.quote(
            ",".join(f"{key}:{value.replace(',', _ESCAPED_COMMA)}" for key, value in model_settings.items())
        ),
        port=port,
    )


_DJL_VERSION = "0.29.0"
"""The last version of djl_python with Neuron's service as `model.py` uses it."""
_DJL_SOURCE = (
    f"git+https://github.com/deepjavalibrary/djl-serving.git@v{_DJL_VERSION}#subdirectory=engines/python/setup"
)

_INSTALL_DJL = f"""\
set -euo pipefail

# Images for Triton on Neuron have the Neuron SDK, but seldom DJL's Python engine, which model.py runs the model with.
has() {{ python3 -c 'import importlib.util, sys; sys.exit(importlib.util.find_spec(sys.argv[1]) is None)' "$1"; }}
if ! has transformers_neuronx; then
  echo "this image has no transformers_neuronx: install Neuron's SDK with it, or name another image_uri" >&2
  exit 1
fi
if ! has djl_python; then
  python3 -m pip install {shlex.quote("djl_python @ " + _DJL_SOURCE)}
fi
"""


def server_script(repository: str, options: Sequence[str]) -> str:
    """The script that starts Triton itself on a model repository."""
    command = ["exec", "tritonserver", f"--model-repository={repository}", *options]
    return f"{shlex.join(command)}\n"


def djl_server_script(repository: str, options: Sequence[str]) -> str:
    """The same, after DJL's Python engine has been installed where the image lacks it."""
    return f"{_INSTALL_DJL}{server_script(repository, options)}"


def djl_model() -> str:
    """The model.py that runs DJL's Python engine for Neuron inside Triton."""
    return (Path(__file__).parent / "djl_in_triton.py").read_text(encoding="utf-8")
