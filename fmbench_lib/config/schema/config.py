"""The whole config. Attribute names are the YAML keys."""

from __future__ import annotations

from typing import Annotated, ClassVar

from fmbench_lib.config.arrival_facts import has_own_times
from fmbench_lib.config.schema.budget_limits import BudgetLimits
from fmbench_lib.config.schema.energy_section import EnergySection
from fmbench_lib.config.schema.evaluation_section import EvaluationSection
from fmbench_lib.config.schema.experiment import Experiment
from fmbench_lib.config.schema.load_section import LoadSection
from fmbench_lib.config.schema.monitors_section import MonitorsSection
from fmbench_lib.config.schema.section import Section, derived, described
from fmbench_lib.config.schema.sections import Aws, Datasets, General, Metrics, ReportSection, S3ReadData, Slo
from fmbench_lib.config.schema.stop_rule import LONGEST_UNTIL, StopRule, stop_rule
from fmbench_lib.config.schema.values import FileName, FreeKeys, Kind, Prices, section_list

RunSteps = Annotated[dict[str, bool], Kind("yes/no by step")]

STEPS = (
    "0_setup",
    "1_generate_data",
    "2_deploy_model",
    "3_run_inference",
    "4_model_metric_analysis",
    "5_cleanup",
)


class Config(Section):
    """One benchmark: prompts, experiments, load and budgets."""

    ignored: ClassVar[dict[str, str]] = {
        "dir_paths": "the layout of a run directory is fixed; results go to --results-dir"
    }
    older: ClassVar[dict[str, str]] = {"data": "datasets"}
    examples: ClassVar[dict[str, str]] = {
        "general": "a `general:` section with `name: my-benchmark`",
        "datasets": "a `datasets:` section with `filters`",
        "experiments": "an `experiments:` list with one entry or more",
    }

    general: General = described("Name of the run.")
    aws: Aws = described("Region, role and bucket on AWS.", Aws(), shown_default="nothing on AWS")
    s3_read_data: S3ReadData = described(
        "Source files, prompt template, tokenizer.", S3ReadData(), shown_default="what ships with fmbench"
    )
    run_steps: RunSteps = described(
        "Which steps run, in this order.", dict.fromkeys(STEPS, True), shown_default="all of them"
    )
    datasets: Datasets = described("How prompts are made and sorted into payload files.")
    metrics: Metrics = described("What the decision is based on.", Metrics(), shown_default="all defaults")
    pricing: Prices = described(
        "Price file, or the prices themselves: in the form of a price file, or as `{g5.2xlarge: 1.21}` in USD per "
        "hour. They replace shipped prices entry by entry. `use: spot` (or `reserved`) and `discount: 0.15` among them "
        "say what is paid, see metrics.md.",
        "pricing.yml",
    )
    inference_parameters: FreeKeys = described(
        "Parameters sent with each request: one flat set for all experiments, or several named sets, from which each "
        "experiment's `inference_spec.parameter_set` chooses.",
        {},
    )
    load: LoadSection = described("How requests are sent.", LoadSection(), shown_default="all defaults")
    slo: Slo = described("Objectives of a single request.", Slo(), shown_default="no objectives, so no goodput")
    monitors: MonitorsSection = described(
        "What is sampled on the endpoints' machines during the load.", MonitorsSection(), shown_default="all defaults"
    )
    energy: EnergySection = described(
        "What energy costs and emits.", EnergySection(), shown_default="not known, so joules alone are reported"
    )
    experiments: Annotated[list[Experiment], section_list] = described("What is compared, one entry each.")
    report: ReportSection = described("Budgets and title.", ReportSection(), shown_default="no budgets")
    budgets: BudgetLimits = described("Another place for `report.budgets`.", {}, shown_default="none")
    model_evaluations: FileName | None = described(
        "Evaluation file of FMBench 2.x; switches model evaluations on.", None
    )
    evaluation: EvaluationSection | None = described(
        "Who judges the answers, see below; switches model evaluations on.", None
    )

    has_load_section: bool = derived(False)
    run_evaluations: bool = derived(False)

    @property
    def measures(self) -> bool:
        """Whether the run does more than analyse what is there, as one of another tool's results does."""
        return any(on for step, on in self.run_steps.items() if step in STEPS[:4])

    def stop_rule(self, experiment: Experiment, concurrency: int | None, rate: float | None) -> StopRule:
        """When a level of `experiment` ends. One of `concurrency` and `rate` (requests/s) is None; both are for a trace
        at its own pace."""
        if self.load.requests is None and self.load.duration is None:
            if self.load.until is not None:
                return StopRule(None, LONGEST_UNTIL)
            if concurrency is None and has_own_times(self.load.arrival):
                return StopRule(None, None)  # with the last of these times
        return stop_rule(
            requests=self.load.requests,
            duration=self.load.duration,
            min_iterations=self.datasets.min_iters_per_combination,
            max_iterations=self.datasets.max_iters_per_combination,
            concurrency=concurrency,
            rate=rate,
        )
