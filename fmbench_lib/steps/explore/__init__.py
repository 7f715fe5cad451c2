"""What a person asks of finished runs: their levels and requests as frames, questions in SQL, comparisons, pictures.

`fmbench_lib.open_run` and `fmbench_lib.open_runs` are the way in.
"""
