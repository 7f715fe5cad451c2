"""The shapes of what the pages hold as JSON.

Times are in seconds; null is what is not known. `e` and `d` are positions in `experiments` and `datasets`, `level` one
in the rows of `levels`. Texts of any origin are on one line each.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, TypedDict

Kind: TypeAlias = Literal["text", "count", "number", "seconds", "share", "usd", "duration", "load", "verdict"]
"""How a value is shown: times are in seconds, shares from 0 to 1; a `load` is its text, and sorts by its number."""

Value: TypeAlias = str | float | int | list[Any] | None
"""A cell of a table."""

ChartBudgets: TypeAlias = dict[str, str | float]
"""The budgets in words (`said`), and each by its column."""

# -- levels and charts -----------------------------------------------------------------------------------------------


class ExperimentName(TypedDict):
    """An experiment, and the instance that it ran on."""

    name: str
    instance: str


class RunNames(TypedDict):
    """The experiments and datasets of the levels, in the order of the config."""

    experiments: list[ExperimentName]
    datasets: list[str]


class LevelAbout(TypedDict):
    """What is known of a level beside its figures.

    `short`: the load for axes · `rate`: whether it is one, and `at` its value · `misses`: columns whose budget it
    misses · `errors` and `messages`: counts and first messages by class of errors.
    """

    e: int
    d: int
    load: str
    short: str
    rate: bool
    at: float | None
    verdict: str
    reasons: list[str]
    misses: list[str]
    keeps_up: bool
    repeats: float | None
    errors: dict[str, int]
    messages: dict[str, str]


class LevelValues(TypedDict):
    """The figures of the levels: names of columns, a row for each level, and the levels that stand out by what they
    are (`winner`, `runner_up`, `nearest`)."""

    columns: list[str]
    rows: list[list[float | None]]
    about: list[LevelAbout]
    marked: dict[str, int | None]


class QualityPoint(TypedDict):
    """A level in a chart of quality. `low` and `high`: the ends of the quality's interval · `n`: judged answers ·
    `front`: whether it is on the Pareto front · `said`: the lines of its hover."""

    e: int
    x: float | None
    y: float | None
    low: float | None
    high: float | None
    n: float | None
    front: bool
    label: str
    said: list[str]


class QualityChart(TypedDict):
    """Quality against cost or latency; `budget` is on the axis of `y`."""

    id: str
    title: str
    x_title: str
    y_title: str
    budget: float | None
    budget_said: str
    points: list[QualityPoint]


class ChartContent(RunNames):
    """What both pages draw. `dataset`: the one that the decision is about · `tied`: levels as good as the winner ·
    `transactions`: how many the cost is shown of."""

    dataset: int | None
    levels: LevelValues
    tied: list[int]
    budgets: ChartBudgets
    transactions: int
    quality: list[QualityChart]


# -- the head --------------------------------------------------------------------------------------------------------


class Tile(TypedDict):
    """A figure of the level that was chosen: a heading, the figure, and what belongs to it."""

    name: str
    figure: str
    below: str


class PageHead(TypedDict):
    """The first screen: title, the decision in sentences, its figures, how the best levels stand to each budget (a row
    of headings, then one for each; empty without budgets), and how good the measurement was."""

    title: str
    about: list[str]
    what: str
    how_sure: str
    runner_up: str
    tone: Literal["good", "doubtful", "bad"]
    tiles: list[Tile]
    budgets: list[list[str]]
    quality: str


# -- requests --------------------------------------------------------------------------------------------------------


class Distribution(TypedDict):
    """A thinned distribution: of `n` values those with these ranks, from 1."""

    n: int
    ranks: list[int]
    values: list[float | None]


class RequestPoints(TypedDict):
    """A sample of `of` requests. A point is the position of its level, prompt tokens, latency, TTFT and TPOT."""

    of: int
    points: list[list[float | int | None]]


class RequestTimeline(TypedDict):
    """One request; times since it was due. `events`: how many there were; those that are kept have `offsets` and
    `gaps` in 10 µs."""

    which: str
    sent: float | None
    first: float | None
    last: float | None
    end: float | None
    latency: float | None
    TTFT: float | None
    TPOT: float | None
    prompt_token_count: float | None
    completion_token_count: float | None
    finish_reason: str
    request_id: str
    server_request_id: str
    events: int
    offsets: list[int]
    gaps: list[int]


class LevelTimeline(RequestTimeline):
    """A timeline with the level of its request."""

    level: int


# -- machines --------------------------------------------------------------------------------------------------------


class CurveValues(TypedDict):
    """A thinned curve of `n` values, null where it is broken."""

    x: list[float | None]
    y: list[float | None]
    n: int


class Curve(CurveValues):
    """A curve with its name."""

    label: str


class CurvePanel(TypedDict):
    """Curves that share an axis; `most` is its upper end where that is fixed."""

    title: str
    most: float | None
    curves: list[Curve]


LevelWindow = TypedDict("LevelWindow", {"level": int | None, "load": str, "from": float | None, "to": float | None})
"""When a level was measured."""

MachineCurves = TypedDict(
    "MachineCurves",
    {
        "windows": list[LevelWindow],
        "panels": list[CurvePanel],
        "cut": bool,
        "from": float | None,
        "to": float | None,
    },
)
"""The curves of a machine on one axis of time; `cut`: long gaps between levels are cut short."""


class Machine(MachineCurves):
    """The curves of an experiment's machine."""

    e: int


# -- tables and the page ---------------------------------------------------------------------------------------------


class TableColumn(TypedDict):
    """A column: its heading, and how its values are shown."""

    name: str
    kind: Kind


class Table(TypedDict):
    """A table with raw values, which the page formats and sorts."""

    id: str
    title: str
    columns: list[TableColumn]
    rows: list[list[Value]]


class FileLink(TypedDict):
    """A file beside the page: its address relative to it, percent-encoded, its name, and what it is."""

    address: str
    name: str
    what: str


class PageContent(ChartContent):
    """The content of `report.html`. `objectives`: limits for one request · `distributions`: for each level those of its
    measures · `facts`: pairs of a name and a value."""

    kind: Literal["report"]
    head: PageHead
    objectives: dict[str, float | None]
    distributions: list[dict[str, Distribution]]
    points: RequestPoints
    timelines: list[LevelTimeline]
    machines: list[Machine]
    tables: list[Table]
    notices: list[str]
    facts: list[list[str]]
    files: list[FileLink]
    config: str


class BusinessContent(ChartContent):
    """The content of `business_summary.html`: its charts and a head."""

    kind: Literal["business"]
    head: PageHead
