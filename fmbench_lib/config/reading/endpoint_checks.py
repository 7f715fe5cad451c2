"""Checks of where an experiment's requests go, and of the headers that they carry."""

from __future__ import annotations

import re

from fmbench_lib.config.plain_text import fault_of_line
from fmbench_lib.config.platforms import PLATFORMS, platform_facts, protocol_facts
from fmbench_lib.config.problems import joined, shown
from fmbench_lib.config.reading.keys import Findings
from fmbench_lib.config.schema.authorization import fault_of
from fmbench_lib.config.schema.experiment import Experiment
from fmbench_lib.config.web_address import fault_of_address

_FRAMING = ("content-length", "transfer-encoding")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


def check_endpoint(experiment: Experiment, path: str, findings: Findings) -> None:
    """Report an endpoint that is missing or no address, and settings of other platforms."""
    facts = platform_facts(experiment.platform)
    by_scripts = experiment.inference_script is not None or experiment.deployment_script is not None
    required, address = facts.requires, experiment.ep_name
    if required is not None and all(getattr(experiment, key) is None for key in required.keys):
        findings.problem(joined(path, required.keys[0]), f"is missing; {required.remedy}")
    elif facts.ep_name_is_address and not by_scripts and not re.match(r"https?://[^/\s]+", address or ""):
        findings.problem(joined(path, "ep_name"), f"is {shown(address)}; write an address with http:// or https://")
    else:
        _check_addresses(address or "", joined(path, "ep_name"), findings)
    if protocol_facts(experiment.protocol).by_script and experiment.inference_script is None:
        findings.problem(joined(path, "inference_script"), "is missing; write the path of your script, ./my_script.py")
    for other in map(platform_facts, PLATFORMS):
        given = other.section is not None and other.section in experiment.model_fields_set
        if given and other.section_only_here and other.section != facts.section:
            problem = f"has no effect on platform {experiment.platform}; leave it out"
            findings.problem(joined(path, str(other.section)), problem)


def _check_addresses(named: str, path: str, findings: Findings) -> None:
    """Report what is wrong with each of the addresses, which are separated by commas."""
    for address in filter(None, (part.strip() for part in named.split(","))):
        fault = fault_of_address(address) if address.startswith(("http://", "https://")) else None
        if fault is not None and "{" not in address:  # a placeholder that this machine has no value of
            findings.problem(path, f"{shown(address)} {fault}")


def check_headers(experiment: Experiment, path: str, findings: Findings) -> None:
    """Report headers that HTTP cannot carry, and authorization that is in no known form or not sent."""
    key = joined(path, "inference_spec.headers")
    for name, value in experiment.inference_spec.headers.items():
        if not _TOKEN.fullmatch(name):
            findings.problem(key, f"has {shown(name)}; a header's name has letters, digits and hyphens only")
        elif name.lower() in _FRAMING:
            findings.problem(joined(key, name), "is set for each request; leave it out")
        elif isinstance(value, dict | list):
            findings.problem(joined(key, name), f"is {shown(value)}; write text")
        elif isinstance(value, str) and fault_of_line(value) is not None:
            findings.problem(joined(key, name), "holds a line break or another control character; leave it out")
        elif isinstance(value, str) and not _is_latin(value):
            findings.problem(joined(key, name), "holds characters beyond Latin-1, which no header can; leave them out")
    _check_auth(experiment, joined(path, "inference_spec.auth"), findings)


def _is_latin(text: str) -> bool:
    return all(ord(character) < 256 for character in text)


def _check_auth(experiment: Experiment, key: str, findings: Findings) -> None:
    auth, protocol = experiment.inference_spec.auth, experiment.protocol
    if auth is None:
        return
    sent = protocol_facts(protocol).sends_auth
    if sent:
        fault = fault_of(auth)
        if fault is not None:
            findings.problem(key, fault)
    elif sent is False:
        findings.notice(key, f"is not sent with protocol {protocol}; write api_key_env or inference_spec.headers")
