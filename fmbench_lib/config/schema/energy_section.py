"""What energy costs and emits, for levels whose energy is measured."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import PlainValidator

from fmbench_lib.config.schema.section import Section, described
from fmbench_lib.config.schema.values import Kind, number

Amount = Annotated[float, PlainValidator(number()), Kind("number ≥ 0")]


class EnergySection(Section):
    """What a kilowatt-hour costs and emits. The energy itself is measured where it can be, see monitors.md."""

    strict: ClassVar[bool] = True

    usd_per_kwh: Amount | None = described("Price of a kilowatt-hour, USD.", None)
    grams_co2_per_kwh: Amount | None = described("Grams of CO2 that a kilowatt-hour emits.", None)
    idle_watts: Amount | None = described(
        "What the machine takes without load, in watts: taken off the energy of a level.",
        None,
        shown_default="none: nothing is taken off",
    )
