"""The options of `fmbench import` and `fmbench export`."""

from __future__ import annotations

from fmbench_lib.cli.option_types import count, usd
from fmbench_lib.cli.shared_options import (
    Commands,
    add_command,
    add_config_options,
    add_exit_code_options,
    add_run_dir,
)

EXPORT_FORMS = ("summary", "schema", "vllm", "llm-d", "prometheus")
RECEIVERS = ("otel", "mlflow")


def add_import(commands: Commands) -> None:
    """`fmbench import`: the files, and what they do not say."""
    command = add_command(
        commands,
        "import",
        "make a run of other tools' result files, analyse it and write its report",
        "fmbench import results.json --instance-type g5.2xlarge",
        "fmbench import all_metrics_summary.csv --set report.latency_budget=2",
    )
    command.add_argument("files", nargs="+", metavar="FILE", help="result files, or folders of them; see importing.md")
    names = command.add_argument_group("what the files do not say, or say otherwise")
    names.add_argument("--name", metavar="NAME", help="the name of the run")
    names.add_argument("--experiment", metavar="NAME", help="the experiment of all levels")
    names.add_argument("--payload", metavar="NAME", help="the payload file of all levels: levels of one are compared")
    names.add_argument("--instance-type", metavar="TYPE", help="key in the price file")
    names.add_argument("--instance-count", metavar="N", type=count, help="number of instances, for the price")
    names.add_argument("--hourly", metavar="USD", type=usd, help="price of an hour of one instance")
    names.add_argument("--pricing", metavar="FILE", help="a price file")
    add_config_options(command)
    command.add_argument("--results-dir", metavar="DIR", help="the folder of runs (default: results/)")
    add_exit_code_options(command)


def add_export(commands: Commands) -> None:
    """`fmbench export`: the run, the form and the file, or who it is sent to."""
    command = add_command(
        commands,
        "export",
        "print an analysed run in the form of another program, or send it to one",
        "fmbench export latest --as vllm",
        "fmbench export latest --to otel --endpoint http://localhost:4318",
    )
    add_run_dir(command)
    command.add_argument(
        "--as",
        dest="form",
        metavar="FORM",
        choices=EXPORT_FORMS,
        default=EXPORT_FORMS[0],
        help="summary (default): summary.json; schema: its JSON Schema; vllm: the fields of `vllm bench serve`, a line "
        "for each level; llm-d: its benchmark report 0.2.1, a YAML document for each level; prometheus: gauges",
    )
    command.add_argument("--into", metavar="FILE", help="the file to write (default: standard output)")
    sending = command.add_argument_group("send it")
    sending.add_argument(
        "--to",
        dest="receiver",
        metavar="RECEIVER",
        choices=RECEIVERS,
        help="otel: OpenTelemetry metrics to a collector (OTLP over HTTP); mlflow: a run with the report's files, and "
        "one below it for each level",
    )
    sending.add_argument(
        "--endpoint",
        metavar="URL",
        help="otel: the collector (default: that of OTEL_EXPORTER_OTLP_ENDPOINT, else http://localhost:4318)",
    )
    sending.add_argument(
        "--tracking-uri", metavar="URI", help="mlflow: its server or folder (default: MLFLOW_TRACKING_URI)"
    )
    sending.add_argument("--experiment", metavar="NAME", help="mlflow: its experiment (default: the run's name)")
