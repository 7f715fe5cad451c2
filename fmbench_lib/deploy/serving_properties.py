"""The `serving.properties` of DJL Serving: the text, and the model it names."""

from __future__ import annotations

from fmbench_lib.config import Experiment

MODEL_LINE = "option.model_id"


def properties_text(experiment: Experiment, weights: str | None) -> str:
    """The serving.properties to pack: the config's, with the model's line added where it has none.

    `weights` is where in S3 the model has been uploaded, which replaces its Hugging Face id.
    """
    text = (experiment.serving_properties or "").strip()
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    named = [line for line in lines if line.partition("=")[0].strip() == MODEL_LINE]
    if weights is not None:
        lines = [line for line in lines if line not in named] + [f"{MODEL_LINE}={weights}"]
    elif not named and experiment.model_id and "HF_MODEL_ID" not in experiment.env:
        lines.append(f"{MODEL_LINE}={experiment.model_id}")
    return "\n".join(lines) + "\n"


def model_line(text: str) -> str | None:
    """Which model a serving.properties names; None where it names none."""
    for line in text.splitlines():
        name, sign, value = line.partition("=")
        if sign and name.strip() == MODEL_LINE:
            return value.strip()
    return None
