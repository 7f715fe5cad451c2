"""How many tokens TGI is set up for: it refuses longer prompts, and reserves memory for what it is told.

FMBench 2.x always sent 4,090 tokens of prompt, 4,096 with the answer, and twice that for a batch. Here these are the
least, and longer prompts in an experiment's payload files raise them.
"""

from __future__ import annotations

from dataclasses import dataclass

from fmbench_lib.config import Experiment

_INPUT, _TOTAL = 4090, 4096
_IN_A_BATCH = 2
"""Requests of the greatest length that FMBench 2.x let a batch hold."""
_ANSWER = 100
"""TGI's own limit for an answer where a request names none."""
_NAMES = ("MAX_INPUT_LENGTH", "MAX_INPUT_TOKENS", "MAX_TOTAL_TOKENS")


@dataclass(frozen=True, slots=True)
class TgiLimits:
    """The most tokens of a prompt, of a prompt with its answer, and of a batch."""

    prompt: int
    total: int

    @property
    def variables(self) -> dict[str, str]:
        """As TGI's environment variables."""
        return {
            "MAX_INPUT_LENGTH": str(self.prompt),
            "MAX_TOTAL_TOKENS": str(self.total),
            "MAX_BATCH_TOTAL_TOKENS": str(_IN_A_BATCH * self.total),
        }


def tgi_limits(experiment: Experiment) -> TgiLimits | None:
    """The limits that the experiment's prompts and answers need.

    None where its `env` or `container_params` set some, since they must fit together, and where its payload files have
    no greatest length.
    """
    set_here = {name.upper() for name in (*experiment.env, *experiment.inference_spec.container_params)}
    if set_here & set(_NAMES) or experiment.longest_prompt is None:
        return None
    parameters = experiment.inference_spec.parameters
    answer = next((parameters[key] for key in ("max_new_tokens", "max_tokens") if key in parameters), _ANSWER)
    prompt = max(_INPUT, experiment.longest_prompt)
    return TgiLimits(prompt, max(_TOTAL, experiment.longest_prompt + (answer if isinstance(answer, int) else _ANSWER)))
