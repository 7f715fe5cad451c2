"""The levels that a config asks for: every (experiment, payload file, load), in the order they are measured in.

A search (`load.find`) adds levels of its own to those that a config names. Which ones is known only as it goes, how
many at most is known before: so each has a number, and prompts are dealt to the number.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from fmbench_lib.config.schema.config import Config
from fmbench_lib.config.schema.experiment import Experiment
from fmbench_lib.config.schema.search_objectives import AT_LEAST
from fmbench_lib.config.schema.stop_rule import StopRule
from fmbench_lib.load.levels.deal import Deal, Wanted, deal
from fmbench_lib.load.levels.search import Objective, Search


@dataclass(frozen=True, slots=True)
class LevelSpec:
    """One level as it is wanted; one of `concurrency` and `request_rate` (per second) is set, or none of them where a
    trace is followed at its own pace.

    `search_number` (from 0) is that of a level which a search asks for, None for those that the config names.
    """

    experiment: Experiment
    payload_file: str
    concurrency: int | None
    request_rate: float | None
    stop: StopRule
    warmup: int
    search_number: int | None = None

    @property
    def load(self) -> str:
        """The load's name, as it stands in file names and records."""
        if self.concurrency is not None:
            return f"concurrency-{self.concurrency}"
        if self.request_rate is None:
            return "trace"
        return f"rate-{self.request_rate:.12g}"

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells this level from every other of its run."""
        return self.experiment.name, self.payload_file, self.load

    @property
    def deal_key(self) -> tuple[str, str, str]:
        """Under which its prompts are dealt: a search's level by its number, as its load is not known beforehand."""
        return self.key if self.search_number is None else (*self.key[:2], _search_deal(self.search_number))

    @property
    def most_requests(self) -> int | None:
        """The greatest number of measured requests, None where only time ends the level."""
        return self.stop.requests


def levels_of(config: Config, experiment: Experiment, payload_files: set[str] | None = None) -> list[LevelSpec]:
    """The levels of one experiment that the config names, payload files in the config's order, loads rising.

    `payload_files` are those that exist; the others have no levels.
    """
    loads: list[tuple[int | None, float | None]] = [(count, None) for count in experiment.concurrency_levels]
    loads += [(None, rate) for rate in experiment.request_rates]
    if config.load.arrival == "trace" and not experiment.request_rates:
        loads.append((None, None))
    return [
        _level(config, experiment, payload_file, concurrency, rate)
        for payload_file in _files(experiment, payload_files)
        for concurrency, rate in loads
    ]


def all_levels(config: Config, payload_files: set[str] | None = None) -> list[LevelSpec]:
    """The levels of all experiments that the config names."""
    return [level for experiment in config.experiments for level in levels_of(config, experiment, payload_files)]


def search_of(config: Config) -> Search | None:
    """The search that is made for each experiment and payload file, None where the config asks for none."""
    load = config.load
    if load.find is None:
        return None
    objectives = tuple(Objective(name, limit, name in AT_LEAST) for name, limit in load.subject_to.items())
    return Search(load.find, objectives, load.find_start, load.find_most, load.find_levels)


def searched_level(
    config: Config, experiment: Experiment, payload_file: str, load: int | float, number: int
) -> LevelSpec:
    """The level at this load, the `number`th (from 0) of the search of this experiment and payload file."""
    whole = config.load.find == "max_concurrency"
    return _level(config, experiment, payload_file, int(load) if whole else None, None if whole else load, number)


def searches_of(config: Config, payload_files: set[str] | None = None) -> list[tuple[Experiment, str]]:
    """Every experiment and payload file that a search is made for."""
    if config.load.find is None:
        return []
    return [(one, name) for one in config.experiments for name in _files(one, payload_files)]


def _files(experiment: Experiment, payload_files: set[str] | None) -> list[str]:
    return [name for name in experiment.payload_files if payload_files is None or name in payload_files]


def _level(
    config: Config,
    experiment: Experiment,
    payload_file: str,
    concurrency: int | None,
    rate: float | None,
    search_number: int | None = None,
) -> LevelSpec:
    stop = config.stop_rule(experiment, concurrency, rate)
    warmup = config.load.warmup_requests if config.load.warmup_requests is not None else 0
    return LevelSpec(experiment, payload_file, concurrency, rate, stop, warmup, search_number)


def _search_deal(number: int) -> str:
    return f"search-{number}"


def deal_prompts(config: Config, counts: Mapping[str, int]) -> dict[tuple[str, str, str], Deal]:
    """Which prompts each level sends, by its deal key; `counts` says how many prompts each payload file has.

    Experiments that share a server share its caches, so they are dealt from one pack. A search is dealt as many levels
    as it may measure. Raises InputError when there are too few prompts for the config's `prompt_reuse`.
    """
    packs: dict[tuple[int, str], dict[tuple[str, str, str], Wanted]] = {}
    for number, group in enumerate(sharing_servers(config.experiments)):
        for experiment in group:
            for key, wanted in _wanted(config, experiment, set(counts)).items():
                packs.setdefault((number, key[1]), {})[key] = wanted
    deals: dict[tuple[str, str, str], Deal] = {}
    for (_, payload_file), pack in packs.items():
        seed = f"{config.general.seed}/{payload_file}"  # experiments share it, to be compared on the same prompts
        dealt = deal(payload_file, counts[payload_file], list(pack.values()), config.load.prompt_reuse, seed)
        deals |= {key: dealt[wanted.load] for key, wanted in pack.items()}
    return deals


def sharing_servers(experiments: Iterable[Experiment]) -> list[list[Experiment]]:
    """The experiments in groups of those that are answered by a server in common, whatever path they ask there."""
    groups: list[tuple[set[str], list[Experiment]]] = []
    for experiment in experiments:
        servers, together = _servers(experiment), [experiment]
        for group in [one for one in groups if one[0] & servers]:
            groups.remove(group)
            servers, together = servers | group[0], [*group[1], *together]
        groups.append((servers, together))
    return [together for _, together in groups]


def _servers(experiment: Experiment) -> set[str]:
    """Host and port of its addresses, the name of an endpoint that has none, its own where it names none."""
    named = [one.strip() for one in (experiment.ep_name or experiment.name).split(",")]
    return {urlsplit(one).netloc or one for one in named if one}


def _wanted(config: Config, experiment: Experiment, payload_files: set[str]) -> dict[tuple[str, str, str], Wanted]:
    """What each level of an experiment asks for, by its deal key. How many requests a search's level has where the
    config gives no number follows from its load, so that it takes its share of what is there."""
    wants = {
        level.key: Wanted("/".join(level.key), level.warmup, level.most_requests)
        for level in levels_of(config, experiment, payload_files)
    }
    levels = config.load.find_levels if config.load.find is not None else 0
    for payload_file in _files(experiment, payload_files):
        for number in range(levels):
            key = (experiment.name, payload_file, _search_deal(number))
            wants[key] = Wanted("/".join(key), config.load.warmup_requests or 0, config.load.requests)
    return wants
