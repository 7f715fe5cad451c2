"""Checks across keys: payload files and filters, lengths, loads, endpoints."""

from __future__ import annotations

import re
from typing import TypeVar

from fmbench_lib.config.arrival_facts import has_own_times
from fmbench_lib.config.platforms import platform_facts, protocol_facts
from fmbench_lib.config.problems import joined, shown
from fmbench_lib.config.reading.budget_checks import with_budgets
from fmbench_lib.config.reading.endpoint_checks import check_endpoint, check_headers
from fmbench_lib.config.reading.executor_checks import check_executor
from fmbench_lib.config.reading.keys import Findings
from fmbench_lib.config.reading.load_checks import check_find, check_loads
from fmbench_lib.config.reading.name_checks import check_names
from fmbench_lib.config.reading.patterns import fault_of_pattern
from fmbench_lib.config.schema.config import Config
from fmbench_lib.config.schema.experiment import Experiment
from fmbench_lib.config.spelling import nearest

Level = TypeVar("Level", int, float)


def check(config: Config, findings: Findings) -> Config:
    """The config without payload files that no filter makes and repeated levels; problems go to `findings`."""
    _check_filters(config, findings)
    check_names(config, findings)
    if not config.experiments:
        findings.problem("experiments", "is empty; write one experiment or more")
    experiments = [
        _checked(experiment, config, joined("experiments", index), findings)
        for index, experiment in enumerate(config.experiments)
    ]
    _check_dataset_of_interest(config, findings)
    _check_iterations(config, findings)
    config = with_budgets(config, findings)
    load = config.load
    check_loads(config, findings)
    check_executor(load, findings)
    check_find(load.find, load.subject_to, load.find_start, load.find_most, findings)
    _check_monitors(config, findings)
    return config.model_copy(update={"experiments": experiments})


def _with_images(experiment: Experiment, path: str, findings: Findings) -> Experiment:
    """The experiment in the form that can send images; reports one whose protocol sends text only."""
    address, protocol = experiment.ep_name or "", protocol_facts(experiment.protocol)
    if protocol.images_in_messages and not experiment.use_messages_api_format:
        findings.notice(joined(path, "use_messages_api_format"), "set to yes: images (datasets.image_col) need it")
        return experiment.model_copy(update={"use_messages_api_format": True})
    in_prompt = address.endswith("/completions") and "/chat/" not in address
    if in_prompt and platform_facts(experiment.platform).ep_name_is_address:
        findings.problem(joined(path, "ep_name"), "takes no images (datasets.image_col); write …/v1/chat/completions")
    elif protocol.text_only:
        remedy = "write openai, ollama or bedrock, or leave image_col out"
        findings.problem(
            joined(path, "protocol"), f"is {experiment.protocol}, which takes no images (datasets.image_col); {remedy}"
        )
    return experiment


def _check_filters(config: Config, findings: Findings) -> None:
    if not config.datasets.filters and config.measures:
        findings.problem("datasets.filters", "is empty; write one filter or more, each makes a payload file")
    seen: dict[str, int] = {}
    for index, entry in enumerate(config.datasets.filters):
        path = f"datasets.filters[{index}]"
        if entry.min_length_in_tokens >= entry.max_length_in_tokens:
            findings.problem(
                f"{path}.max_length_in_tokens",
                f"is {entry.max_length_in_tokens}; it must be above min_length_in_tokens, {entry.min_length_in_tokens}",
            )
        earlier = seen.setdefault(entry.payload_file, index)
        if earlier != index and config.datasets.filters[earlier] != entry:
            findings.problem(
                f"{path}.payload_file",
                f"{shown(entry.payload_file)} is made by filters[{earlier}] too; use another name",
            )


def _checked(experiment: Experiment, config: Config, path: str, findings: Findings) -> Experiment:
    if not config.measures:  # nothing is sent, so that no address, payload file or load is needed
        return experiment
    check_endpoint(experiment, path, findings)
    check_headers(experiment, path, findings)
    if config.datasets.image_col is not None:
        experiment = _with_images(experiment, path, findings)
    loads = experiment.concurrency_levels or experiment.request_rates
    if not loads and config.load.find is None and not has_own_times(config.load.arrival):
        findings.problem(
            joined(path, "concurrency_levels"),
            "is missing or empty; write requests in flight, [1, 4], or give request_rates in requests/s, [0.5, 2]",
        )
    return experiment.model_copy(
        update={
            "payload_files": _payload_files(experiment, config, path, findings),
            "concurrency_levels": _once(experiment.concurrency_levels, joined(path, "concurrency_levels"), findings),
            "request_rates": _once(experiment.request_rates, joined(path, "request_rates"), findings),
        }
    )


def _payload_files(experiment: Experiment, config: Config, path: str, findings: Findings) -> list[str]:
    made = list(dict.fromkeys(entry.payload_file for entry in config.datasets.filters))
    key = joined(path, "payload_files")
    if not experiment.payload_files:
        findings.problem(key, "is empty; name a payload file that datasets.filters makes, or leave the key out for all")
        return []
    valid = [name for name in dict.fromkeys(experiment.payload_files) if name in made]
    for index, name in enumerate(experiment.payload_files):
        if name in made:
            continue
        close = nearest(name, made)
        remedy = f"did you mean {close}?" if close else "add a filter for it or leave it out"
        if valid:
            findings.notice(joined(key, index), f"left out: no entry of datasets.filters makes {name}; {remedy}")
        else:
            findings.problem(joined(key, index), f"no entry of datasets.filters makes {name}; {remedy}")
    return valid


def _once(levels: list[Level], path: str, findings: Findings) -> list[Level]:
    once = list(dict.fromkeys(levels))
    if len(once) < len(levels):
        findings.notice(path, "a level is given twice; it is measured once")
    return once


def _check_dataset_of_interest(config: Config, findings: Findings) -> None:
    name, files = config.metrics.dataset_of_interest, [entry.payload_file for entry in config.datasets.filters]
    if not config.measures:
        files = [file for experiment in config.experiments for file in experiment.payload_files]
    if name is None or any(name in file for file in files):
        return
    fault = fault_of_pattern(name)
    if fault is not None:
        findings.problem("metrics.dataset_of_interest", f"is {shown(name)}, which {fault}")
    elif not any(re.search(name, file) for file in files):
        findings.notice(
            "metrics.dataset_of_interest",
            f"{shown(name)} occurs in no payload file's name; the payload file with most levels decides",
        )


def _check_monitors(config: Config, findings: Findings) -> None:
    pages = config.monitors.prometheus
    names = [experiment.name for experiment in config.experiments]
    for name in pages if isinstance(pages, dict) else ():
        if name not in names:
            close = nearest(name, names)
            remedy = f"did you mean {close}?" if close else f"there are {', '.join(names)}"
            findings.problem(joined("monitors.prometheus", name), f"is not an experiment; {remedy}")


def _check_iterations(config: Config, findings: Findings) -> None:
    least, most = config.datasets.min_iters_per_combination, config.datasets.max_iters_per_combination
    if least is not None and most is not None and least > most:
        findings.problem(
            "datasets.max_iters_per_combination", f"is {most}; it must not be below min_iters_per_combination, {least}"
        )
