"""The configuration reference, `docs/configuration.md`, generated from the schema.

python -m fmbench_lib.config.key_reference                        # prints it
python -m fmbench_lib.config.key_reference docs/configuration.md  # writes it
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from fmbench_lib.config.budget_measures import measures_table
from fmbench_lib.config.platforms import CONTAINER_PROTOCOLS, DEPLOYMENT_SCRIPTS, INFERENCE_SCRIPTS
from fmbench_lib.config.problems import alternatives
from fmbench_lib.config.reading.keys import section_of, yaml_keys
from fmbench_lib.config.schema.config import Config
from fmbench_lib.config.schema.energy_section import EnergySection
from fmbench_lib.config.schema.evaluation_section import EvaluationSection, JudgeSection
from fmbench_lib.config.schema.experiment import Experiment, InferenceSpec
from fmbench_lib.config.schema.load_section import LoadSection
from fmbench_lib.config.schema.monitors_section import MonitorsSection
from fmbench_lib.config.schema.platform_sections import (
    BedrockSection,
    Ec2,
    Eks,
    LocalSection,
    ModelData,
    S3DataSource,
    SageMakerSection,
)
from fmbench_lib.config.schema.ray_section import RaySection
from fmbench_lib.config.schema.rest_template import RestSection
from fmbench_lib.config.schema.section import Section
from fmbench_lib.config.schema.sections import (
    Aws,
    Chart,
    Datasets,
    Filter,
    General,
    Metrics,
    ReportSection,
    S3ReadData,
    Slo,
)
from fmbench_lib.config.schema.synthetic_section import Synthetic
from fmbench_lib.config.schema.values import Kind

REGENERATE = "python -m fmbench_lib.config.key_reference docs/configuration.md"

SECTIONS: tuple[tuple[str, type[Section]], ...] = (
    ("The file", Config),
    ("general", General),
    ("experiments[]", Experiment),
    ("experiments[].inference_spec", InferenceSpec),
    ("experiments[].inference_spec.rest", RestSection),
    ("experiments[].local", LocalSection),
    ("experiments[].sagemaker", SageMakerSection),
    ("experiments[].bedrock", BedrockSection),
    ("load", LoadSection),
    ("load.ray", RaySection),
    ("slo", Slo),
    ("monitors", MonitorsSection),
    ("energy", EnergySection),
    ("datasets", Datasets),
    ("datasets.filters[]", Filter),
    ("datasets.synthetic[]", Synthetic),
    ("s3_read_data", S3ReadData),
    ("metrics", Metrics),
    ("report", ReportSection),
    ("evaluation", EvaluationSection),
    ("evaluation.judges[]", JudgeSection),
    ("report.latency_vs_token_len_chart", Chart),
    ("aws", Aws),
    ("experiments[].ec2", Ec2),
    ("experiments[].eks", Eks),
    ("experiments[].model_data", ModelData),
    ("experiments[].model_data.S3DataSource", S3DataSource),
)


def reference() -> str:
    """The text of the whole page, in Markdown."""
    introduction = files("fmbench_lib.config").joinpath("reference.md").read_text(encoding="utf-8")
    introduction = introduction.replace("<!-- scripts -->", "\n".join(_script_table()))
    introduction = introduction.replace("<!-- budgets -->", measures_table())
    tables = "\n\n".join("\n".join(_table(title, section)) for title, section in SECTIONS)
    return f"{introduction.rstrip()}\n\n## Keys\n\n{tables}\n"


def _table(title: str, section: type[Section]) -> Iterator[str]:
    heading = title if title[0].isupper() else f"`{title}`"
    yield f"### {heading}"
    yield ""
    yield _one_line(section.__doc__)
    yield ""
    yield "| key | type | default | meaning |"
    yield "|---|---|---|---|"
    for key, info in yaml_keys(section).items():
        cells = (f"`{key}`", kind(info), _default(info), info.description or "")
        yield "| " + " | ".join(_cell(cell) for cell in cells) + " |"
    if section.ignored:
        yield ""
        keys = "; ".join(f"`{key}` ({reason})" for key, reason in section.ignored.items())
        yield f"Accepted and ignored: {keys}."


def kind(info: FieldInfo) -> str:
    """The kind of value that a key takes, in words."""
    return next((item.words for item in info.metadata if isinstance(item, Kind)), None) or _kind(info.annotation)


def _kind(annotation: Any) -> str:
    origin = get_origin(annotation)
    if origin is Annotated:
        words = [item.words for item in get_args(annotation) if isinstance(item, Kind)]
        return words[0] if words else _kind(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return " or ".join(_kind(part) for part in get_args(annotation) if part is not type(None))
    section, many = section_of(annotation)
    if section is not None:
        return "list of sections" if many else "section"
    return "list" if origin is list else "anything"


def _default(info: FieldInfo) -> str:
    extra = info.json_schema_extra
    if isinstance(extra, dict) and extra.get("shown_default"):
        return str(extra["shown_default"])
    if info.is_required():
        return "**required**"
    value = info.get_default(call_default_factory=True, validated_data={})
    if value is None or value is PydanticUndefined or value in ([], {}, ""):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _script_table() -> Iterator[str]:
    yield "| script | means |"
    yield "|---|---|"
    for script, platform in DEPLOYMENT_SCRIPTS.items():
        yield f"| `deployment_script: {script}` | `platform: {platform}` |"
    for script, meaning in INFERENCE_SCRIPTS.items():
        by_container = f"{alternatives([f'`{name}`' for name in CONTAINER_PROTOCOLS])}, by `container_type`"
        protocol = by_container if meaning.protocol is None else f"`{meaning.protocol}`"
        yield (
            f"| `inference_script: {script}` | protocol {protocol}; without a deployment script "
            f"`platform: {meaning.platform}` |"
        )


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())


def _cell(text: str) -> str:
    return _one_line(text).replace("|", "\\|")


def main(arguments: list[str]) -> None:
    """Print the reference, or write it to the file that is the first argument."""
    if arguments:
        Path(arguments[0]).write_text(reference(), encoding="utf-8")
    else:
        sys.stdout.write(reference())


if __name__ == "__main__":
    main(sys.argv[1:])
