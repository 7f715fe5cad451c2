"""A run that was measured and not evaluated: the recorded one, with prompts, and answers that say whose they are."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
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
    copy = yaml.safe_load((run / "config.yml").read_text())
    (run / "config.yml").write_text(yaml.safe_dump({**copy, "pricing": content["pricing"]}))
    prompts: dict[str, dict[str, None]] = {}
    for path in sorted(run.glob("requests/*/*/*.parquet")):
        table = pq.read_table(path)
        prompts.setdefault(path.parent.name, {}).update(dict.fromkeys(table["prompt_id"].to_pylist()))
        said = [
            None if text is None else f"{path.parents[1].name} says {text}" for text in table["completion"].to_pylist()
        ]
        column = table.schema.get_field_index("completion")
        pq.write_table(table.set_column(column, table.schema.field(column), pa.array(said, pa.string())), path)
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
