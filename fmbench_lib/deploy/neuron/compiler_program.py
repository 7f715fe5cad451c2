"""Compiles a model for Inferentia or Trainium. Runs in the Python of AWS's Neuron SDK, which need not have fmbench.

    python3 compiler_program.py --model FOLDER --artifacts FOLDER --batch-size 1 --cores 24 --positions 4096 --amp f16

`--split FOLDER` first writes the weights in pieces, as `option.load_split_model=True` loads them. `--wait` waits for a
line on standard input, so that the parent can record this process first. `compiled.json` beside the artifacts is
written last.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

DONE = "compiled.json"


def main(words: list[str] | None = None) -> None:
    """Split the weights if requested, compile, and save the result and facts about the compilation."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("model", "artifacts"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--split", type=Path)
    for name in ("batch-size", "cores", "positions"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--amp", choices=("f16", "bf16", "f32"), required=True)
    parser.add_argument("--wait", action="store_true", help="wait for a line on standard input first")
    arguments = parser.parse_args(words)
    if arguments.wait and not sys.stdin.readline():
        return  # the parent died before it recorded this process
    started = time.time()
    weights = arguments.model if arguments.split is None else split(arguments.model, arguments.split)
    compile_model(weights, arguments)
    facts = {"compiler": compiler_version(), "seconds": round(time.time() - started, 1)}
    (arguments.artifacts.parent / DONE).write_text(json.dumps(facts) + "\n")


def split(model: Path, target: Path) -> Path:
    """Write the weights in pieces, with the model's tokenizer, and return the folder that holds them."""
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers_neuronx.module import save_pretrained_split  # type: ignore[import-not-found]

    target.mkdir(parents=True, exist_ok=True)
    print(f"splitting {model} into {target}", flush=True)
    model_object: Any = AutoModelForCausalLM.from_pretrained(str(model), low_cpu_mem_usage=True)
    save_pretrained_split(model_object, str(target))
    AutoTokenizer.from_pretrained(str(model)).save_pretrained(str(target))
    return target


def compile_model(weights: Path, arguments: argparse.Namespace) -> None:
    """Compile the weights and save the compiler's artifacts; occupies this machine's cores meanwhile."""
    from transformers_neuronx import NeuronAutoModelForCausalLM  # type: ignore[import-not-found]

    arguments.artifacts.mkdir(parents=True, exist_ok=True)
    print(f"compiling {weights} for {arguments.cores} cores", flush=True)
    model = NeuronAutoModelForCausalLM.from_pretrained(
        str(weights),
        batch_size=arguments.batch_size,
        tp_degree=arguments.cores,
        n_positions=arguments.positions,
        amp=arguments.amp,
    )
    model.to_neuron()
    model.save(str(arguments.artifacts))


def compiler_version() -> str:
    """The first output of `neuronx-cc --version`, on one line."""
    process = subprocess.run(["neuronx-cc", "--version"], capture_output=True, text=True, check=False)
    return " ".join((process.stdout or process.stderr).split())


if __name__ == "__main__":
    main()
