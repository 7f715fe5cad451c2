"""The levels that a config asks for: every (experiment, payload file, load), in the order they are measured in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fmbench_lib.config.experiment import Experiment
from fmbench_lib.config.schema import Config
from fmbench_lib.config.stopping import StopRule
from fmbench_lib.load.prompts import Deal, Wanted, deal


@dataclass(frozen=True, slots=True)
class LevelSpec:
    """One level as it is wanted; exactly one of `concurrency` and `request_rate` (per second) is set."""

    experiment: Experiment
    payload_file: str
    concurrency: int | None
    request_rate: float | None
    stop: StopRule
    warmup: int

    @property
    def load(self) -> str:
        """The load's name, as it stands in file names and records."""
        if self.concurrency is not None:
            return f"concurrency-{self.concurrency}"
        return f"rate-{self.request_rate:.12g}"

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells this level from every other of its run."""
        return self.experiment.name, self.payload_file, self.load

    @property
    def most_requests(self) -> int | None:
        """The greatest number of measured requests, None where only time ends the level."""
        return self.stop.requests


def levels_of(config: Config, experiment: Experiment, payload_files: set[str] | None = None) -> list[LevelSpec]:
    """The levels of one experiment, payload files in the config's order, loads rising.

    `payload_files` are those that exist; the others have no levels.
    """
    loads: list[tuple[int | None, float | None]] = [(count, None) for count in experiment.concurrency_levels]
    loads += [(None, rate) for rate in experiment.request_rates]
    return [
        LevelSpec(
            experiment,
            payload_file,
            concurrency,
            rate,
            config.stop_rule(experiment, concurrency, rate),
            config.load.warmup_requests if config.load.warmup_requests is not None else 0,
        )
        for payload_file in experiment.payload_files
        if payload_files is None or payload_file in payload_files
        for concurrency, rate in loads
    ]


def all_levels(config: Config, payload_files: set[str] | None = None) -> list[LevelSpec]:
    """The levels of all experiments."""
    return [level for experiment in config.experiments for level in levels_of(config, experiment, payload_files)]


def deal_prompts(config: Config, counts: Mapping[str, int]) -> dict[tuple[str, str, str], Deal]:
    """Which prompts each level sends, by level key; `counts` says how many prompts each payload file has.

    Experiments that share an address share its caches, so they are dealt from one pack. Raises InputError when there
    are too few prompts for the config's `prompt_reuse`.
    """
    deals: dict[tuple[str, str, str], Deal] = {}
    packs: dict[tuple[str, str], list[LevelSpec]] = {}
    for level in all_levels(config, set(counts)):
        address = level.experiment.ep_name or level.experiment.name
        packs.setdefault((address, level.payload_file), []).append(level)
    for (_, payload_file), levels in packs.items():
        wanted = [Wanted("/".join(level.key), level.warmup, level.most_requests) for level in levels]
        seed = f"{config.general.seed}/{payload_file}"  # experiments share it, to be compared on the same prompts
        dealt = deal(payload_file, counts[payload_file], wanted, config.load.prompt_reuse, seed)
        for level in levels:
            deals[level.key] = dealt["/".join(level.key)]
    return deals
