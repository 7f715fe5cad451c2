"""How experiments on AWS's own platforms are deployed."""

from __future__ import annotations

from typing import ClassVar

from fmbench_lib.config.schema.section import Section, described
from fmbench_lib.config.schema.values import Count, Seconds


class SageMakerSection(Section):
    """Settings of the endpoint that platform `sagemaker` makes with `deploy: yes`."""

    strict: ClassVar[bool] = True

    startup_timeout: Seconds = described("How long the endpoint may take until it is in service.", 3600.0)


class BedrockSection(Section):
    """Provisioned throughput that platform `bedrock` buys with `deploy: yes`, by the hour and without commitment."""

    strict: ClassVar[bool] = True

    model_units: Count | None = described(
        "Model units to buy and to give back after the run; a commitment, which cannot be given back, is never bought.",
        None,
        shown_default="none: the model is called on demand",
    )
    startup_timeout: Seconds = described("How long the throughput may take until it is in service.", 3600.0)
