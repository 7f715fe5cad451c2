"""From what a config says to what it means: platforms, protocols, names, defaults that depend on other keys."""

from __future__ import annotations

from typing import Any

from fmbench_lib.config.platform_rules import completed_address
from fmbench_lib.config.platform_types import PlatformFacts
from fmbench_lib.config.platforms import (
    ENDPOINT,
    PLATFORMS,
    USER_SCRIPT,
    platform_facts,
    platform_of_scripts,
    protocol_facts,
    protocol_of,
)
from fmbench_lib.config.problems import alternatives, joined, shown
from fmbench_lib.config.reading.evaluation_notice import notice_evaluations
from fmbench_lib.config.reading.fmbench2 import check_scripts, run_steps, user_scripts
from fmbench_lib.config.reading.keys import Findings, Raw
from fmbench_lib.config.reading.parameters import resolved_spec
from fmbench_lib.config.reading.synthetic import resolve_synthetic
from fmbench_lib.config.schema.sections import ALL_PROMPTS
from fmbench_lib.errors import InputError

NO_LIMIT = 10**9
"""Longer than any prompt, in tokens."""

_FROM_AWS = ("region", "bucket", "sagemaker_execution_role")
"""Keys of an experiment that the section `aws` has the default of."""


def resolve(raw: Raw, findings: Findings, *, has_load_section: bool) -> Raw:
    """A cleaned config with every value filled in that follows from others."""
    resolved = dict(raw)
    steps, evaluations = run_steps(raw.get("run_steps"), findings)
    resolved.pop("run_steps", None)
    if steps is not None:
        resolved["run_steps"] = steps
    section = next((key for key in ("model_evaluations", "evaluation") if raw.get(key) is not None), None)
    resolved["run_evaluations"] = section is not None if evaluations is None else evaluations
    notice_evaluations(section, evaluations, findings)
    resolved["has_load_section"] = has_load_section
    if not has_load_section:
        resolved["load"] = {"prompt_reuse": "allowed"}
    general = raw.get("general")
    if isinstance(general, dict) and "name" in general:
        resolved["general"] = {"model_name": general["name"], **general}
    resolve_synthetic(resolved, findings)
    _resolve_filters(resolved)
    _resolve_sources(resolved, findings)
    if isinstance(raw.get("experiments"), list):
        resolved["experiments"] = _experiments(resolved, findings)
    return resolved


# -- prompts ---------------------------------------------------------------------------------------------------------


def _resolve_filters(resolved: Raw) -> None:
    datasets = resolved.get("datasets")
    if not isinstance(datasets, dict):
        return
    if "filters" not in datasets:
        everything = {"payload_file": ALL_PROMPTS, "min_length_in_tokens": 0, "max_length_in_tokens": NO_LIMIT}
        resolved["datasets"] = {**datasets, "filters": [everything]}
        return
    if not isinstance(datasets["filters"], list):
        return
    filters = [_filter(entry) if isinstance(entry, dict) else entry for entry in datasets["filters"]]
    resolved["datasets"] = {**datasets, "filters": filters}


def _resolve_sources(resolved: Raw, findings: Findings) -> None:
    """Put `datasets.sources` where every source is."""
    sources, reading = _section(resolved, "datasets").get("sources"), resolved.get("s3_read_data")
    if not sources or (reading is not None and not isinstance(reading, dict)):
        return
    if reading and "source_data_files" in reading:
        findings.problem("datasets.sources", "s3_read_data.source_data_files is given too; leave one of them out")
    resolved["s3_read_data"] = {**(reading or {}), "source_data_files": sources}


def _filter(entry: Raw) -> Raw:
    language, shortest = entry.get("language", "en"), entry.get("min_length_in_tokens", 1)
    return {"payload_file": f"payload_{language}_{shortest}-{entry.get('max_length_in_tokens', '')}.jsonl", **entry}


def _all_payload_files(raw: Raw) -> list[Any]:
    filters = _section(raw, "datasets").get("filters")
    entries = filters if isinstance(filters, list) else []
    return list(dict.fromkeys(str(entry["payload_file"]) for entry in entries if isinstance(entry, dict)))


# -- experiments -----------------------------------------------------------------------------------------------------


def _experiments(raw: Raw, findings: Findings) -> list[Any]:
    resolved = [
        _experiment(entry, raw, joined("experiments", index), findings) if isinstance(entry, dict) else entry
        for index, entry in enumerate(raw["experiments"])
    ]
    _make_names_unique(resolved, findings)
    return resolved


def _experiment(entry: Raw, raw: Raw, path: str, findings: Findings) -> Raw:
    resolved = dict(entry)
    facts = _resolve_serving(resolved, raw, path, findings)
    aws = _section(raw, "aws")
    defaults = {key: aws[key] for key in _FROM_AWS if key in aws} | facts.defaults(resolved)
    for key, value in defaults.items():
        resolved.setdefault(key, value)
    _count_instances(resolved, path, findings)
    if "payload_files" not in resolved:
        resolved["payload_files"] = _all_payload_files(raw)
    resolved.setdefault("name", _default_name(resolved, facts))
    resolved["inference_spec"] = resolved_spec(entry, raw.get("inference_parameters", {}), path, findings)
    return resolved


def _count_instances(resolved: Raw, path: str, findings: Findings) -> None:
    """Take several addresses of an endpoint that exists for several instances, unless their number is given."""
    named = resolved.get("ep_name")
    if resolved["deploy"] is True or resolved.get("instance_count") is not None or not isinstance(named, str):
        return
    addresses = {part.strip() for part in named.split(",") if part.strip()}
    if len(addresses) > 1 and all(part.startswith(("http://", "https://")) for part in addresses):
        resolved["instance_count"] = count = len(addresses)
        remedy = f"so the price is that of {count} instances; write how many there are if that is not so"
        findings.notice(joined(path, "instance_count"), f"is not given, and ep_name has {count} addresses, {remedy}")


def _default_name(experiment: Raw, facts: PlatformFacts) -> str:
    """The model's name without its organisation; the platform's where no model is named."""
    model = experiment.get("model_id") or (experiment.get("ep_name") if facts.ep_name_is_model else None)
    name = experiment.get("model_name") or model or experiment.get("platform")
    return str(name).rstrip("/").rsplit("/", 1)[-1]


def _resolve_serving(resolved: Raw, raw: Raw, path: str, findings: Findings) -> PlatformFacts:
    """Fill in platform, protocol and deploy, from script names where they are given; the platform's facts."""
    users = user_scripts(resolved, _listed_scripts(raw))
    by_platform = resolved.get("platform") is not None
    scripts_known = check_scripts(resolved, users, path, findings)
    _resolve_platform(resolved, users, path, findings, report_missing=scripts_known)
    facts = _facts(resolved["platform"])
    if "inference_script" in users:
        resolved.setdefault("protocol", USER_SCRIPT)
    container_type = _text(_section(resolved, "inference_spec").get("container_type"))
    script, address = _text(resolved.get("inference_script")), _text(resolved.get("ep_name"))
    resolved.setdefault("protocol", protocol_of(facts, script, container_type, address))
    if facts.ep_name_is_address and address is not None:
        _complete_addresses(resolved, address, path, findings)
    resolved.setdefault("deploy", by_platform and facts.deployed_by_default)
    return facts


def _complete_addresses(resolved: Raw, named: str, path: str, findings: Findings) -> None:
    """Give each address in `ep_name` the protocol's path, where it has none."""
    try:
        protocol = protocol_facts(str(resolved["protocol"]))
        given = [part.strip() for part in named.split(",") if part.strip()]
        completed = ",".join(completed_address(part, protocol) for part in given)
    except (InputError, ValueError):
        return  # the check of values reports it
    if completed != ",".join(given):
        resolved["ep_name"] = completed
        findings.notice(joined(path, "ep_name"), f"is the base of an address; {completed} is used")


def _resolve_platform(
    resolved: Raw, users: frozenset[str], path: str, findings: Findings, *, report_missing: bool
) -> None:
    """Fill in the platform that script names mean; report one that contradicts them, and none at all."""
    deployment, inference = _text(resolved.get("deployment_script")), _text(resolved.get("inference_script"))
    users_own = "deployment_script" in users or (deployment is None and "inference_script" in users)
    meant = USER_SCRIPT if users_own else platform_of_scripts(deployment, inference)
    given = resolved.get("platform")
    if given is None and meant is None:
        if report_missing:
            findings.problem(joined(path, "platform"), f"is missing; write {alternatives(PLATFORMS)}")
        meant = ENDPOINT  # lets the other keys be checked
    elif given is not None and deployment is not None and given in PLATFORMS and meant != given:
        findings.problem(joined(path, "platform"), f"is {given}, but {deployment} means {meant}; keep one of the two")
    resolved["platform"] = meant if given is None else given


def _facts(platform: Any) -> PlatformFacts:
    """The platform's facts; a row without any for a value that the check of values refuses."""
    try:
        return platform_facts(platform.strip() if isinstance(platform, str) else "")
    except InputError:
        return PlatformFacts("")


def _listed_scripts(raw: Raw) -> list[Any]:
    listed = _section(raw, "s3_read_data").get("script_files")
    return listed if isinstance(listed, list) else []


def _section(raw: Raw, name: str) -> Raw:
    """A section's keys; none where it is missing or not a section."""
    section = raw.get(name)
    return section if isinstance(section, dict) else {}


def _text(value: Any) -> str | None:
    """A value that can be looked up; anything but text is reported when values are checked."""
    return value if isinstance(value, str) else None


def _make_names_unique(experiments: list[Any], findings: Findings) -> None:
    """Give experiments of one name the endings -2, -3, …, leaving out those that another experiment already has."""
    given = {_text(entry.get("name")) for entry in experiments if isinstance(entry, dict)}
    seen: set[Any] = set()
    for index, entry in enumerate(experiments):
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            continue
        name, number = entry["name"], 2
        while entry["name"] in seen:
            candidate = f"{name}-{number}"
            number += 1
            if candidate not in given and candidate not in seen:
                entry["name"] = candidate
        if entry["name"] != name:
            findings.notice(f"experiments[{index}].name", f"{shown(name)} occurs before; renamed to {entry['name']!r}")
        seen.add(entry["name"])
