"""From what a config says to what it means: platforms, protocols, names, parameters, defaults that depend on others."""

from __future__ import annotations

from typing import Any

from fmbench_lib.config.platforms import DEPLOYED_BY_DEFAULT, PLATFORMS, USER_SCRIPT, platform_of_scripts, protocol_of
from fmbench_lib.config.problems import alternatives, joined, shown
from fmbench_lib.config.reading.fmbench2 import check_scripts, own_scripts, run_steps
from fmbench_lib.config.reading.keys import Findings
from fmbench_lib.config.spelling import nearest

EMBEDDED_MODEL = "smollm2-135m-instruct"
LOCAL_INSTANCE_TYPE = "local-cpu"
"""What the shipped price file calls this machine."""

_PROVISIONED = ":provisioned-model/"
"""Bought by the hour: such an endpoint never costs what its model costs by the token."""

Raw = dict[str, Any]


def resolve(raw: Raw, findings: Findings, *, has_load_section: bool) -> Raw:
    """A cleaned config with every value filled in that follows from others."""
    resolved = dict(raw)
    steps, evaluations = run_steps(raw.get("run_steps"), findings)
    resolved.pop("run_steps", None)
    if steps is not None:
        resolved["run_steps"] = steps
    resolved["run_evaluations"] = raw.get("model_evaluations") is not None if evaluations is None else evaluations
    resolved["has_load_section"] = has_load_section
    if not has_load_section:
        resolved["load"] = {"prompt_reuse": "allowed"}
    general = raw.get("general")
    if isinstance(general, dict) and "name" in general:
        resolved["general"] = {"model_name": general["name"], **general}
    _resolve_filters(resolved)
    if isinstance(raw.get("experiments"), list):
        resolved["experiments"] = _experiments(resolved, findings)
    return resolved


def _resolve_filters(resolved: Raw) -> None:
    datasets = resolved.get("datasets")
    if not isinstance(datasets, dict) or not isinstance(datasets.get("filters"), list):
        return
    filters = [_filter(entry) if isinstance(entry, dict) else entry for entry in datasets["filters"]]
    resolved["datasets"] = {**datasets, "filters": filters}


def _filter(entry: Raw) -> Raw:
    language, shortest = entry.get("language", "en"), entry.get("min_length_in_tokens", 1)
    return {"payload_file": f"payload_{language}_{shortest}-{entry.get('max_length_in_tokens', '')}.jsonl", **entry}


def _experiments(raw: Raw, findings: Findings) -> list[Any]:
    aws = raw.get("aws") if isinstance(raw.get("aws"), dict) else {}
    resolved = [
        _experiment(entry, raw, aws or {}, joined("experiments", index), findings) if isinstance(entry, dict) else entry
        for index, entry in enumerate(raw["experiments"])
    ]
    _unique_names(resolved, findings)
    return resolved


def _experiment(entry: Raw, raw: Raw, aws: Raw, path: str, findings: Findings) -> Raw:
    resolved = dict(entry)
    _resolve_serving(resolved, _script_files(raw), path, findings)
    for key in ("region", "bucket", "sagemaker_execution_role"):
        if key in aws:
            resolved.setdefault(key, aws[key])
    platform = resolved.get("platform")
    if platform == "local":
        resolved.setdefault("model_id", EMBEDDED_MODEL)
        resolved.setdefault("instance_type", LOCAL_INSTANCE_TYPE)
    model = resolved.get("model_id") or (resolved.get("ep_name") if platform == "bedrock" else None)
    if platform == "bedrock" and model is not None:
        ours = str(resolved.get("ep_name") or "")
        resolved.setdefault("instance_type", ours if _PROVISIONED in ours else model)
    bought = resolved.get("bedrock")
    if platform == "bedrock" and isinstance(bought, dict) and bought.get("model_units") is not None:
        resolved.setdefault("instance_count", bought["model_units"])
    ec2 = resolved.get("ec2")
    if platform == "sagemaker" and isinstance(ec2, dict) and resolved.get("instance_count") is None:
        resolved["instance_count"] = ec2.get("instance_count")  # where a Neuron deployment says it
    if "payload_files" not in resolved:
        resolved["payload_files"] = _all_payload_files(raw)
    resolved.setdefault("name", str(resolved.get("model_name") or model or platform).rstrip("/").rsplit("/", 1)[-1])
    resolved["inference_spec"] = _inference_spec(entry, raw, path, findings)
    return resolved


def _script_files(raw: Raw) -> list[Any]:
    source = raw.get("s3_read_data")
    listed = source.get("script_files") if isinstance(source, dict) else None
    return listed if isinstance(listed, list) else []


def _resolve_serving(resolved: Raw, script_files: list[Any], path: str, findings: Findings) -> None:
    """Fill in platform, protocol and deploy, from the script names where they stand."""
    own = own_scripts(resolved, script_files)
    scripts_known = check_scripts(resolved, own, path, findings)
    deployment, inference = _word(resolved.get("deployment_script")), _word(resolved.get("inference_script"))
    spec = resolved.get("inference_spec")
    by_own = "deployment_script" in own or (deployment is None and "inference_script" in own)
    meant = USER_SCRIPT if by_own else platform_of_scripts(deployment, inference)
    given = resolved.get("platform")
    if given is None and meant is None:
        if scripts_known:
            findings.problem(joined(path, "platform"), f"is missing; write {alternatives(PLATFORMS)}")
        resolved["platform"] = meant = "endpoint"  # lets the other keys be checked
    elif given is not None and deployment is not None and given in PLATFORMS and meant != given:
        findings.problem(joined(path, "platform"), f"is {given}, but {deployment} means {meant}; keep one of the two")
    resolved.setdefault("platform", meant)
    container_type = spec.get("container_type") if isinstance(spec, dict) else None
    spoken = protocol_of(_word(resolved["platform"]), inference, _word(container_type))
    resolved.setdefault("protocol", USER_SCRIPT if "inference_script" in own else spoken)
    by_scripts = given is None
    resolved.setdefault("deploy", not by_scripts and resolved["platform"] in DEPLOYED_BY_DEFAULT)


def _word(value: Any) -> str | None:
    """What can be looked up; anything but text is reported when values are checked."""
    return value if isinstance(value, str) else None


def _all_payload_files(raw: Raw) -> list[Any]:
    datasets = raw.get("datasets")
    filters = datasets.get("filters") if isinstance(datasets, dict) else None
    entries = filters if isinstance(filters, list) else []
    return list(dict.fromkeys(str(entry["payload_file"]) for entry in entries if isinstance(entry, dict)))


def _inference_spec(entry: Raw, raw: Raw, path: str, findings: Findings) -> Any:
    spec = entry.get("inference_spec", {})
    if not isinstance(spec, dict):
        return spec
    resolved = dict(spec)
    parameters = _parameters(spec, raw.get("inference_parameters", {}), joined(path, "inference_spec"), findings)
    if isinstance(spec.get("parameters", {}), dict):
        resolved["parameters"] = {**parameters, **spec.get("parameters", {})}
    if "stream" not in resolved:
        asked = resolved.get("parameters", {}).get("stream") if isinstance(resolved.get("parameters"), dict) else None
        own = "platform" in entry and "inference_script" not in entry
        resolved["stream"] = asked if isinstance(asked, bool) else own
    container = spec.get("container_params")
    if "tp_degree" not in resolved and isinstance(container, dict) and container.get("tp_degree") is not None:
        resolved["tp_degree"] = container["tp_degree"]
    return resolved


def _parameters(spec: Raw, sets: Any, path: str, findings: Findings) -> Raw:
    """The parameters that an experiment's requests carry, before its own."""
    if not isinstance(sets, dict):
        return {}
    flat = any(not isinstance(value, dict) for value in sets.values())
    wanted = spec.get("parameter_set")
    if isinstance(wanted, list | dict):
        return {}  # no text, which the check of values says
    if wanted is None:
        return _without_dead(sets) if flat else _none_chosen(spec, sets, path, findings)
    chosen = sets.get(wanted) if isinstance(wanted, str) else None
    if isinstance(chosen, dict):
        return _without_dead(chosen)
    if wanted in sets and chosen is None:
        return {}
    if flat:
        remedy = "inference_parameters is one flat set: leave parameter_set out"
    elif not sets:
        remedy = "inference_parameters is empty: write the set there"
    else:
        close = nearest(str(wanted), sets)
        remedy = f"did you mean {close}?" if close else f"inference_parameters has {alternatives(list(sets))}"
    findings.problem(joined(path, "parameter_set"), f"there is no parameter set {shown(wanted)}; {remedy}")
    return {}


def _none_chosen(spec: Raw, sets: Raw, path: str, findings: Findings) -> Raw:
    """No parameters: there are sets, and an experiment names none. One that has `parameters` of its own means it."""
    if sets and "parameters" not in spec:
        findings.notice(
            joined(path, "parameter_set"),
            f"is not given, so that no parameters are sent; inference_parameters has {alternatives(list(sets))}",
        )
    return {}


def _without_dead(parameters: Raw) -> Raw:
    """`truncate: at-prompt-token-length` never reached an endpoint in FMBench 2.x."""
    return {key: value for key, value in parameters.items() if (key, value) != ("truncate", "at-prompt-token-length")}


def _unique_names(experiments: list[Any], findings: Findings) -> None:
    """Give experiments of one name the endings -2, -3, …; a name that another experiment has is not taken."""
    given = {_word(entry.get("name")) for entry in experiments if isinstance(entry, dict)}
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
