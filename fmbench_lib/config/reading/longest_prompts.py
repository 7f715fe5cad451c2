"""How long the prompts of each experiment may be, as the filters of its payload files say."""

from __future__ import annotations

from fmbench_lib.config.reading.resolution import NO_LIMIT
from fmbench_lib.config.schema.config import Config


def with_longest_prompts(config: Config) -> Config:
    """The config with `longest_prompt` of each experiment; None where a payload file of it has no greatest length."""
    longest = {entry.payload_file: entry.max_length_in_tokens - 1 for entry in config.datasets.filters}
    experiments = []
    for experiment in config.experiments:
        lengths = [longest.get(name, NO_LIMIT) for name in experiment.payload_files]
        most = max(lengths, default=NO_LIMIT)
        experiments.append(experiment.model_copy(update={"longest_prompt": most if most < NO_LIMIT - 1 else None}))
    return config.model_copy(update={"experiments": experiments})
