"""What `inference_spec` says in full: the parameters of its set, and defaults that depend on other keys."""

from __future__ import annotations

from typing import Any

from fmbench_lib.config.problems import alternatives, joined, shown
from fmbench_lib.config.reading.keys import Findings, Raw
from fmbench_lib.config.spelling import nearest


def resolved_spec(experiment: Raw, sets: Any, path: str, findings: Findings) -> Any:
    """The experiment's `inference_spec` with `parameters`, `stream` and `tp_degree` filled in.

    :param sets: `inference_parameters` as the config has it.
    :param path: the experiment's, for problems.
    """
    spec = experiment.get("inference_spec", {})
    if not isinstance(spec, dict):
        return spec
    resolved = dict(spec)
    own = spec.get("parameters", {})
    parameters = _parameters_of_set(spec, sets, joined(path, "inference_spec"), findings)
    if isinstance(own, dict):
        resolved["parameters"] = {**parameters, **own}
    resolved.setdefault("stream", _default_stream(experiment, resolved.get("parameters")))
    container = spec.get("container_params")
    if isinstance(container, dict) and container.get("tp_degree") is not None:
        resolved.setdefault("tp_degree", container["tp_degree"])
    return resolved


def _default_stream(experiment: Raw, parameters: Any) -> bool:
    """As the parameters say; else yes, except where FMBench 2.x's script names say what is called."""
    in_parameters = parameters.get("stream") if isinstance(parameters, dict) else None
    if isinstance(in_parameters, bool):
        return in_parameters
    return "platform" in experiment and "inference_script" not in experiment


def _parameters_of_set(spec: Raw, sets: Any, path: str, findings: Findings) -> Raw:
    """The parameters that a spec takes from `inference_parameters`: the flat set, or the one it names."""
    if not isinstance(sets, dict):
        return {}
    flat = any(not isinstance(value, dict) for value in sets.values())
    name = spec.get("parameter_set")
    if isinstance(name, list | dict):
        return {}  # not text, which the check of values reports
    if name is None:
        if not flat:
            _report_none_chosen(spec, sets, path, findings)
        return _without_dead(sets) if flat else {}
    chosen = sets.get(name) if isinstance(name, str) else None
    if isinstance(chosen, dict):
        return _without_dead(chosen)
    if name not in sets or chosen is not None:
        remedy = _remedy(str(name), sets, flat)
        findings.problem(joined(path, "parameter_set"), f"there is no parameter set {shown(name)}; {remedy}")
    return {}


def _remedy(name: str, sets: Raw, flat: bool) -> str:
    """What to write instead of a parameter set that does not exist."""
    if flat:
        return "inference_parameters is one flat set: leave parameter_set out"
    if not sets:
        return "inference_parameters is empty: write the set there"
    close = nearest(name, sets)
    return f"did you mean {close}?" if close else f"inference_parameters has {alternatives(list(sets))}"


def _report_none_chosen(spec: Raw, sets: Raw, path: str, findings: Findings) -> None:
    """A notice that no set is sent; none where the experiment has `parameters` instead."""
    if sets and "parameters" not in spec:
        findings.notice(
            joined(path, "parameter_set"),
            f"is not given, so that no parameters are sent; inference_parameters has {alternatives(list(sets))}",
        )


def _without_dead(parameters: Raw) -> Raw:
    """`truncate: at-prompt-token-length` never reached an endpoint in FMBench 2.x."""
    return {key: value for key, value in parameters.items() if (key, value) != ("truncate", "at-prompt-token-length")}
