"""The levels that a config asks for: every (experiment, payload file, load), in the order in which they are measured.

A search (`load.find`) adds levels of its own to those that a config names. Which loads they have is known only as it
goes, how many there are at most is known before: so each has a number, and prompts are dealt to the number.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from fmbench_lib.config.arrival_facts import has_own_times
from fmbench_lib.config.repeat_names import repeat_name
from fmbench_lib.config.schema.config import Config
from fmbench_lib.config.schema.experiment import Experiment
from fmbench_lib.config.schema.search_objectives import AT_LEAST
from fmbench_lib.config.schema.stop_rule import StopRule
from fmbench_lib.load.levels.deal import Deal, Wanted, deal, prompts_needed
from fmbench_lib.load.levels.search import Search
from fmbench_lib.load.levels.search_terms import Objective
from fmbench_lib.workspace import LevelKey


@dataclass(frozen=True, slots=True)
class LevelSpec:
    """One level to measure. One of `concurrency` and `request_rate` (per second) is set, neither of them where a trace
    is followed at its own pace.

    `warmup`: the least number of requests before the measurement. `search_number` counts the levels of a search from 0;
    it is None for those that the config names. `repeat` counts the levels at one load from 1: those of `load.repeats`,
    or those of a search.
    """

    experiment: Experiment
    payload_file: str
    concurrency: int | None
    request_rate: float | None
    stop: StopRule
    warmup: int
    search_number: int | None = None
    repeat: int = 1

    @property
    def load(self) -> str:
        """The load's name, as it stands in file names and records. A repeat has a name of its own, and by that its own
        file, arrivals and prompts: `concurrency-8-repeat-2`."""
        return repeat_name(self.base_load, self.repeat)

    @property
    def base_load(self) -> str:
        """The load's name without the repeat."""
        if self.concurrency is not None:
            return f"concurrency-{self.concurrency}"
        return "trace" if self.request_rate is None else f"rate-{self.request_rate:.12g}"

    @property
    def key(self) -> LevelKey:
        """What tells this level from every other of its run."""
        return LevelKey(self.experiment.name, self.payload_file, self.load)

    @property
    def deal_key(self) -> LevelKey:
        """The key that its prompts are dealt by: a search's level has its number, as its load is not known before."""
        return self.key if self.search_number is None else self.key._replace(load=_search_deal(self.search_number))

    @property
    def most_requests(self) -> int | None:
        """The greatest number of measured requests, None where only time ends the level."""
        return self.stop.requests


def levels_of(config: Config, experiment: Experiment, payload_files: set[str] | None = None) -> list[LevelSpec]:
    """The levels of one experiment that the config names, in the config's order, each with its repeats after it.

    `payload_files` are those that exist, None for all; the others have no levels.
    """
    loads: list[tuple[int | None, float | None]] = [(count, None) for count in experiment.concurrency_levels]
    loads += [(None, rate) for rate in experiment.request_rates]
    if has_own_times(config.load.arrival) and not experiment.request_rates:
        loads.append((None, None))
    return [
        replace(_level(config, experiment, payload_file, concurrency, rate), repeat=repeat)
        for payload_file in _files(experiment, payload_files)
        for concurrency, rate in loads
        for repeat in range(1, config.load.repeats + 1)
    ]


def all_levels(config: Config, payload_files: set[str] | None = None) -> list[LevelSpec]:
    """The levels of all experiments that the config names."""
    return [level for experiment in config.experiments for level in levels_of(config, experiment, payload_files)]


def search_of(config: Config) -> Search | None:
    """The search for each experiment and payload file; None where the config asks for none.

    Failed requests are limited to the share that the report allows, unless the search has a limit of its own for them.
    """
    load = config.load
    if load.find is None:
        return None
    limits = dict(load.subject_to)
    limits.setdefault("error_rate", config.report.limits["error_rate"])
    objectives = tuple(Objective(name, limit, name in AT_LEAST) for name, limit in limits.items())
    return Search(load.find, objectives, load.find_start, load.find_most, load.find_levels)


def searched_level(
    config: Config, experiment: Experiment, payload_file: str, load: int | float, earlier: Sequence[int | float]
) -> LevelSpec:
    """The level at this load in the search of this experiment and payload file, after those at the `earlier` loads."""
    whole = config.load.find == "max_concurrency"
    level = _level(config, experiment, payload_file, int(load) if whole else None, None if whole else load)
    return replace(level, search_number=len(earlier), repeat=1 + earlier.count(load))


def searches_of(config: Config, payload_files: set[str] | None = None) -> list[tuple[Experiment, str]]:
    """Every experiment and payload file that is searched."""
    if config.load.find is None:
        return []
    return [(experiment, name) for experiment in config.experiments for name in _files(experiment, payload_files)]


def _files(experiment: Experiment, payload_files: set[str] | None) -> list[str]:
    return [name for name in experiment.payload_files if payload_files is None or name in payload_files]


def _level(
    config: Config,
    experiment: Experiment,
    payload_file: str,
    concurrency: int | None,
    rate: float | None,
) -> LevelSpec:
    stop = config.stop_rule(experiment, concurrency, rate)
    return LevelSpec(experiment, payload_file, concurrency, rate, stop, _warmup(config, concurrency))


def _warmup(config: Config, slots: int | None) -> int:
    """Warm-up requests of a level: at least the first of each slot of a closed loop (`slots`, None in an open one).

    With a ramp they are the prompts that are sent, again and again, while the slots open.
    """
    load = config.load
    return load.warmup_requests if slots is None or load.ramp else max(load.warmup_requests, slots)


def search_warmup(config: Config) -> int:
    """Warm-up requests that are set aside for each level of a search: enough for the greatest load that it may try.

    Without such a bound a level may have more slots than prompts to warm them up with, and sends those again.
    """
    load = config.load
    slots = int(load.find_most or load.find_start) if load.find == "max_concurrency" else None
    return _warmup(config, slots)


def _search_deal(number: int) -> str:
    return f"search-{number}"


def deal_prompts(config: Config, counts: Mapping[str, int]) -> dict[LevelKey, Deal]:
    """Which prompts each level sends, by its deal key; `counts` says how many prompts each payload file has.

    Experiments get the same prompts at the same load; those that share a server share its caches, so that they get
    different ones where no prompt may be sent twice. A search is dealt as many levels as it may measure. Raises
    InputError when there are too few prompts for the config's `prompt_reuse`.
    """
    deals: dict[LevelKey, Deal] = {}
    for payload_file, wanted in _wanted(config, set(counts)).items():
        seed = f"{config.general.seed}/{payload_file}"
        dealt = deal(payload_file, counts[payload_file], list(wanted.values()), config.load.prompt_reuse, seed)
        deals |= zip(wanted, dealt, strict=True)
    return deals


def needed_prompts(config: Config, payload_files: set[str]) -> dict[str, int]:
    """The least number of prompts that each payload file must have for the config's levels and `prompt_reuse`."""
    reuse = config.load.prompt_reuse
    return {name: prompts_needed(list(one.values()), reuse) for name, one in _wanted(config, payload_files).items()}


def sharing_servers(experiments: Iterable[Experiment]) -> list[list[Experiment]]:
    """The experiments in groups that share a server, whatever path they send to."""
    groups: list[tuple[set[str], list[Experiment]]] = []
    for experiment in experiments:
        servers, together = _servers(experiment), [experiment]
        for group in [group for group in groups if group[0] & servers]:
            groups.remove(group)
            servers, together = servers | group[0], [*group[1], *together]
        groups.append((servers, together))
    return [together for _, together in groups]


def _servers(experiment: Experiment) -> set[str]:
    """Host and port of each address, or the name of an endpoint without one, or else the experiment's name."""
    endpoints = [part.strip() for part in (experiment.ep_name or experiment.name).split(",")]
    return {urlsplit(endpoint).netloc or endpoint for endpoint in endpoints if endpoint}


def _wanted(config: Config, payload_files: set[str]) -> dict[str, dict[LevelKey, Wanted]]:
    """What the levels of each payload file ask for, by their deal keys."""
    wanted: dict[str, dict[LevelKey, Wanted]] = {}
    for server, group in enumerate(sharing_servers(config.experiments)):
        for experiment in group:
            for key, one in _wanted_of(config, experiment, payload_files, server).items():
                wanted.setdefault(key.payload_file, {})[key] = one
    return wanted


def _wanted_of(config: Config, experiment: Experiment, payload_files: set[str], server: int) -> dict[LevelKey, Wanted]:
    """What each level of an experiment asks for, by its deal key. Where the config gives no number of requests, that of
    a search's level follows from its load, which is not known yet: it gets its share of the prompts that there are."""
    wants = {
        level.key: Wanted(level.load, level.warmup, level.most_requests, server)
        for level in levels_of(config, experiment, payload_files)
    }
    levels = config.load.find_levels if config.load.find is not None else 0
    for payload_file in _files(experiment, payload_files):
        for number in range(levels):
            key = LevelKey(experiment.name, payload_file, _search_deal(number))
            wants[key] = Wanted(key.load, search_warmup(config), config.load.requests, server)
    return wants
