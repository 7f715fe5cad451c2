"""A run that was measured and not evaluated: the recorded one, with prompts for its answers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml

DATA = Path(__file__).parents[1] / "report" / "data"
CONFIG_OF_THEN = "/home/user/recorded.yml"


def measured_run(folder: Path, evaluation: Mapping[str, Any] | None, **report: Any) -> Path:
    """A copy of the run in this folder, whose config, beside it, has this section `evaluation`; its directory."""
    run, config = folder / "recorded" / "20260101-000000Z", folder / "recorded.yml"
    shutil.copytree(DATA / "recorded_run", run, ignore=shutil.ignore_patterns("metrics"))
    content = yaml.safe_load((DATA / "recorded.yml").read_text())
    content["report"] |= report
    config.write_text(yaml.safe_dump({**content, **({"evaluation": evaluation} if evaluation else {})}))
    (run / "run.json").write_text((run / "run.json").read_text().replace(CONFIG_OF_THEN, str(config)))
    prompts: dict[str, dict[str, None]] = {}
    for path in sorted(run.glob("requests/*/*/*.parquet")):
        ids = pq.read_table(path, columns=["prompt_id"])["prompt_id"].to_pylist()
        prompts.setdefault(path.parent.name, {}).update(dict.fromkeys(ids))
    for name, ids in prompts.items():
        rows = [
            {"prompt_id": each, "prompt": f"What is {each}?", "question": f"What is {each}?", "ground_truth": each}
            for each in ids
        ]
        (run / "prompts" / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return run


def scripted(url: str, name: str, **more: Any) -> dict[str, Any]:
    """A judge of the section `evaluation` at this address."""
    return {"name": name, "ep_name": url, "model_id": name, "protocol": "openai", **more}
