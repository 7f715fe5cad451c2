"""The picture of the README: three emulated servers of stated speeds, measured by fmbench and compared by price.

`python benchmarks/readme_picture.py [PNG]` starts three emulators, measures each at five loads, and writes the picture
of price and performance to docs/images/comparison.png. The servers are invented, and so are their prices. How fast each
is and how many requests it serves at once stands in its name, so that the figures can be checked by hand: a request
takes its TTFT and 49 gaps between its 50 tokens. The picture says so too.
Takes about seven minutes, on a machine that does nothing else.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from fmbench_lib.emulator import Behaviour, Constant, launch

TOKENS, LOADS, SECONDS, PROMPTS = 50, (1, 4, 12, 24, 48), 20, 6000
PICTURE = Path(__file__).parent.parent / "docs" / "images" / "comparison.png"


@dataclass(frozen=True, slots=True)
class Server:
    """An invented server: a letter, TTFT and gap between tokens in seconds, requests served at once, USD per hour."""

    letter: str
    ttft: float
    gap: float
    slots: int
    hourly: float

    @property
    def name(self) -> str:
        """What the picture calls it: its speed and its size."""
        return f"{self.letter} ({1 / self.gap:.0f} tok/s ×{self.slots})"

    @property
    def behaviour(self) -> Behaviour:
        """The server as an emulator."""
        times = {"ttft": Constant(self.ttft), "itl": Constant(self.gap)}
        return Behaviour(**times, tokens=Constant(TOKENS), slots=self.slots)


SERVERS = (Server("A", 0.1, 0.0125, 8, 1.6), Server("B", 0.15, 0.02, 32, 1.2), Server("C", 0.3, 0.0625, 32, 0.3))
"""A is fast and dear, C cheap and slower than the budget allows, B between them."""


def config_of(addresses: list[str]) -> dict[str, Any]:
    """The config of the comparison."""
    experiments = [
        {
            "name": server.name, "platform": "endpoint", "protocol": "openai", "ep_name": address,
            "model_id": "emulated", "tokenizer": "words", "instance_type": f"invented at {server.hourly:g} USD/h",
            "payload_files": ["prompts.jsonl"], "concurrency_levels": list(LOADS),
        }
        for server, address in zip(SERVERS, addresses, strict=True)
    ]  # fmt: skip
    return {
        "general": {"name": "comparison", "model_name": "Emulated servers, named by their speed and size"},
        "s3_read_data": {"source_data_files": ["source.jsonl"]},
        "datasets": {
            "prompt_template_keys": ["input"],
            "filters": [{"min_length_in_tokens": 1, "max_length_in_tokens": 500, "payload_file": "prompts.jsonl"}],
        },
        "inference_parameters": {"max_tokens": TOKENS},
        "load": {"duration": SECONDS, "warmup_requests": 4, "timeout": 30, "prompt_reuse": "across_levels"},
        "pricing": {f"invented at {server.hourly:g} USD/h": server.hourly for server in SERVERS},
        "experiments": experiments,
        "report": {"latency_budget": 3.0},
    }


def measured(folder: Path) -> Path:
    """Measure the three servers; returns the run's directory. Raises SystemExit with the output where that fails."""
    lines = (json.dumps({"input": f"Prompt number {n} of the comparison."}) + "\n" for n in range(PROMPTS))
    (folder / "source.jsonl").write_text("".join(lines), encoding="utf-8")
    with ExitStack() as stack:
        addresses = [stack.enter_context(launch(server.behaviour)).url for server in SERVERS]
        config = folder / "comparison.yml"
        config.write_text(yaml.safe_dump(config_of(addresses), sort_keys=False, allow_unicode=True), encoding="utf-8")
        command = [sys.executable, "-m", "fmbench_lib", "--config-file", config.name, "--results-dir", "results"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    found = sorted(folder.glob("results/*/*/figures/business_summary.png"))
    if not found:
        raise SystemExit(f"nothing was drawn:\n{done.stdout}\n{done.stderr}")
    print(done.stdout)
    return found[-1].parent.parent


def main() -> None:
    """Measure, and put the picture where the README shows it."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE
    with tempfile.TemporaryDirectory(prefix="comparison-") as name:
        run = measured(Path(name))
        shutil.copy(run / "figures" / "business_summary.png", target)
    print(f"{target}: {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
