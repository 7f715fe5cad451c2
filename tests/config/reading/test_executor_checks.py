"""What sends the requests: `load.executor` and the section of its cluster."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fmbench_lib.config import LoadedConfig
from fmbench_lib.config.ray_settings import RaySettings

Load = Callable[..., LoadedConfig]
Mistakes = Callable[..., dict[str, str]]


@pytest.mark.parametrize(
    ("keys", "key", "words"),
    [
        ("{executor: slurm}", "load.executor", "local or ray"),
        ("{ray: {nodes: 2}}", "load.ray", "write `executor: ray`"),
        ("{executor: ray, workers: 3}", "load.workers", "write ray.workers_per_node"),
        ("{executor: ray, keep_raw: yes}", "load.keep_raw", "write `executor: local`"),
        ("{executor: ray, until: ci_TTFT_p95 < 5%}", "load.until", "write `ci_p95 < 5%`"),
        ("{executor: ray, ray: {address: head}}", "load.ray.address", "write auto, host:6379 or ray://host:10001"),
        ("{executor: ray, ray: {address: 'http://head:1'}}", "load.ray.address", "write auto, host:6379"),
        ("{executor: ray, ray: {nodes: 0}}", "load.ray.nodes", "1 or more"),
        ("{executor: ray, ray: {node: 2}}", "load.ray.node", "did you mean nodes?"),
        ("{executor: ray, ray: {placement: pack}}", "load.ray.placement", "spread or no_head"),
    ],
)
def test_what_does_not_go_with_an_executor(mistakes: Mistakes, minimal: str, keys: str, key: str, words: str) -> None:
    found = mistakes(minimal + f"load: {keys}\n")
    assert list(found) == [key]
    assert words in found[key]


def test_a_cluster_is_all_that_this_machine_belongs_to_unless_something_else_is_said(load: Load, minimal: str) -> None:
    section = load(minimal + "load: {executor: ray}\n").config.load
    assert section.ray.settings() == RaySettings("auto", None, None, "spread")
    said = "{address: 'ray://head:10001', nodes: 4, workers_per_node: 3, placement: no_head}"
    section = load(minimal + f"load: {{executor: ray, ray: {said}}}\n").config.load
    assert section.ray.settings() == RaySettings("ray://head:10001", 4, 3, "no_head")


def test_without_a_word_this_machine_sends(load: Load, minimal: str) -> None:
    assert load(minimal).config.load.executor == "local"
