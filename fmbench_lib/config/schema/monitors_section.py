"""What is sampled on the endpoints' machines while they are under load."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import PlainValidator

from fmbench_lib.config.problems import shown
from fmbench_lib.config.schema.section import Section, described
from fmbench_lib.config.schema.values import Flag, Kind, NoSeconds, number, reject
from fmbench_lib.config.web_address import fault_of_address

_WORDS: dict[object, Literal["auto", "yes", "no"]] = {
    True: "yes",
    False: "no",
    "yes": "yes",
    "no": "no",
    "on": "yes",
    "off": "no",
    "true": "yes",
    "false": "no",
    "auto": "auto",
}


def _choice(value: Any) -> Literal["auto", "yes", "no"]:
    known = value.strip().lower() if isinstance(value, str) else value if isinstance(value, bool) else None
    if known not in _WORDS:
        reject(f"is {shown(value)}; write auto, yes or no")
    return _WORDS[known]


def _pages(value: Any) -> str | list[str] | dict[str, list[str]]:
    """`auto`, `no`, addresses, or addresses by the name of an experiment."""
    if isinstance(value, dict):
        return {str(name): _addresses(pages) for name, pages in value.items()}
    if isinstance(value, list) or (isinstance(value, str) and "://" in value):
        return _addresses(value)
    choice = _choice(value) if not isinstance(value, str) or value.strip().lower() in _WORDS else None
    if choice is None:
        reject(f"is {shown(value)}; write auto, no or an address such as http://127.0.0.1:8000/metrics")
    return "auto" if choice == "yes" else choice


def _addresses(value: Any) -> list[str]:
    given = value if isinstance(value, list) else [value]
    for address in given:
        fault = fault_of_address(address.strip()) if isinstance(address, str) else "write it as text"
        if fault is not None:
            reject(f"has {shown(address)}, which is no address ({fault}); write http://127.0.0.1:8000/metrics")
        if "@" in address.split("://", 1)[1].split("/")[0]:
            reject("has an address with a user name or password in it; they are not sent, so leave them out")
    return [address.strip() for address in given]


Choice = Annotated[Literal["auto", "yes", "no"], PlainValidator(_choice), Kind("`auto` or yes/no")]
Pages = Annotated[
    str | list[str] | dict[str, list[str]],
    PlainValidator(_pages),
    Kind("`auto`, `no`, address, list of addresses, or these by experiment"),
]
Interval = Annotated[float, PlainValidator(number(0.1, most=3600)), Kind("seconds ≥ 0.1")]


class MonitorsSection(Section):
    """What is sampled on the machines during the load, by a separate process, see monitors.md."""

    strict: ClassVar[bool] = True

    enabled: Flag = described("Whether anything is sampled.", True)
    interval: Interval = described("Time between samples.", 1.0)
    host: Choice = described(
        "CPU, memory, disks and network of the machine that fmbench runs on, and the processes of platform `local`.",
        "auto",
        shown_default="`auto`: always; marked as the client's if the endpoint is elsewhere",
    )
    energy: Choice = described(
        "The energy of the endpoint's machine: processors and memory by RAPL (Linux), GPUs by NVML.",
        "auto",
        shown_default="`auto`: if the endpoint is on this machine",
    )
    nvidia: Choice = described(
        "The NVIDIA GPUs of the endpoint, by NVML; all of this machine if those are not known.",
        "auto",
        shown_default="`auto`: if the endpoint is on this machine",
    )
    neuron: Choice = described(
        "The Neuron devices of the endpoint, by `neuron-monitor`; all of this machine if those are not known.",
        "auto",
        shown_default="`auto`: if the endpoint is on this machine",
    )
    prometheus: Pages = described(
        "Metrics page of the serving stack.", "auto", shown_default="`auto`: `/metrics` on the endpoint's own port"
    )
    cloudwatch: Choice = described(
        "CloudWatch's metrics of SageMaker endpoints and Bedrock models.",
        "auto",
        shown_default="`auto`: for platforms `sagemaker` and `bedrock`",
    )
    cloudwatch_wait: NoSeconds = described(
        "How long the analysis waits for CloudWatch's metrics of the last minutes, which come late.", 0.0
    )
