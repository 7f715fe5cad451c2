"""The results of a run for people and programs: tables, pictures, `report.md` and `summary.json`.

The room only presents: every number comes from `fmbench_lib.metrics`; nothing is looked up or measured here.
"""
