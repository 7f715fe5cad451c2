"""What a run found, for people and for programs: tables, pictures, `report.md` and `summary.json`.

It only shows: every number comes from `fmbench_lib.metrics`, and nothing is looked up or measured here.
"""
