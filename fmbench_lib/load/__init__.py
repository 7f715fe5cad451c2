"""The load generator: schedule, transport, workers, recorder. See `measure` for one level from prompts to records."""
