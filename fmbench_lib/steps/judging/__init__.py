"""The evaluation of answers in a run: its settings, its judges, its plan and its tables."""
