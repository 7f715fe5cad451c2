"""The shape of what the site's page holds, in JSON's types; null is what is not known."""

from __future__ import annotations

from typing import TypedDict


class SiteExperiment(TypedDict):
    """An experiment: what is the same in every run that measured it."""

    name: str
    model: str
    stack: str
    instance: str


class SiteRun(TypedDict):
    """A run. `at`: Unix seconds · `page`: the address of its report relative to the site, empty where it has none."""

    title: str
    at: float | None
    status: str
    decision: str
    fmbench: str
    client: str
    cost: float | None
    tags: list[str]
    page: str
    problem: str
    analysed: bool
    experiments: list[int]


class SiteLevel(TypedDict):
    """What a level is: positions of its run (`r`), experiment (`e`) and dataset (`d`), the name of its load (`key`) and
    what that is called, and how it was measured. `none`: why its percentiles say nothing of the endpoint, else
    empty."""

    r: int
    e: int
    d: int
    key: str
    load: str
    short: str
    rate: bool
    at: float | None
    verdict: str
    reason: str
    repeats: int
    chosen: bool
    measure: str
    none: str


class SiteLevels(TypedDict):
    """The levels as `columns` and `rows` of numbers, with what else is known of each in `about`."""

    columns: list[str]
    rows: list[list[float | None]]
    about: list[SiteLevel]


class SiteFigure(TypedDict):
    """A figure that changed: medians before and after, and the p-value corrected for all series of the history."""

    d: int
    load: str
    measure: str
    before: float | None
    after: float | None
    p: float


class SiteChange(TypedDict):
    """A change between two runs that follow each other, and what else differs between them."""

    last: int
    first: int
    figures: list[SiteFigure]
    also: list[str]


class SiteHistory(TypedDict):
    """The history of an experiment over the runs that measured it, oldest first. `said`: what can be said of it."""

    e: int
    runs: list[int]
    changes: list[SiteChange]
    said: str


class SiteContent(TypedDict):
    """What the page holds."""

    kind: str
    experiments: list[SiteExperiment]
    datasets: list[str]
    runs: list[SiteRun]
    levels: SiteLevels
    histories: list[SiteHistory]
    left_out: list[str]
