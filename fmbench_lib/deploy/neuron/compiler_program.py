"""Compiles a model for Inferentia or Trainium. It runs in the Python of AWS's Neuron SDK, where fmbench need not be.

    python3 compiler_program.py --model FOLDER --artifacts FOLDER --batch-size 1 --cores 24 --positions 4096 --amp f16

`--split FOLDER` writes the weights in pieces first, as `option.load_split_model=True` loads them. With `--wait` a line
on standard input is waited for: whoever starts this takes note of it first. `compiled.json` beside the artifacts is
written last of all.
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
    """Split, compile, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("model", "artifacts"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--split", type=Path)
    for name in ("batch-size", "cores", "positions"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--amp", choices=("f16", "bf16", "f32"), required=True)
    parser.add_argument("--wait", action="store_true", help="wait for a line on standard input first")
    given = parser.parse_args(words)
    if given.wait and not sys.stdin.readline():
        return  # who started us died before it took note of us
    started = time.time()
    weights = given.model if given.split is None else split(given.model, given.split)
    compiled(weights, given)
    facts = {"compiler": compiler_version(), "seconds": round(time.time() - started, 1)}
    (given.artifacts.parent / DONE).write_text(json.dumps(facts) + "\n")


def split(model: Path, target: Path) -> Path:
    """The weights in pieces, with the model's tokenizer; the folder that holds them."""
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers_neuronx.module import save_pretrained_split  # type: ignore[import-not-found]

    target.mkdir(parents=True, exist_ok=True)
    print(f"splitting {model} into {target}", flush=True)
    whole: Any = AutoModelForCausalLM.from_pretrained(str(model), low_cpu_mem_usage=True)
    save_pretrained_split(whole, str(target))
    AutoTokenizer.from_pretrained(str(model)).save_pretrained(str(target))
    return target


def compiled(weights: Path, given: argparse.Namespace) -> None:
    """Compile and save what the compiler made; it takes the cores of this machine while it does."""
    from transformers_neuronx import NeuronAutoModelForCausalLM  # type: ignore[import-not-found]

    given.artifacts.mkdir(parents=True, exist_ok=True)
    print(f"compiling {weights} for {given.cores} cores", flush=True)
    model = NeuronAutoModelForCausalLM.from_pretrained(
        str(weights),
        batch_size=given.batch_size,
        tp_degree=given.cores,
        n_positions=given.positions,
        amp=given.amp,
    )
    model.to_neuron()
    model.save(str(given.artifacts))


def compiler_version() -> str:
    """What the compiler says of itself."""
    done = subprocess.run(["neuronx-cc", "--version"], capture_output=True, text=True, check=False)
    return " ".join((done.stdout or done.stderr).split())


if __name__ == "__main__":
    main()
