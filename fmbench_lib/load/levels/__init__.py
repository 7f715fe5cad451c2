"""Which levels a run has, when their requests arrive, and which prompts they send."""
