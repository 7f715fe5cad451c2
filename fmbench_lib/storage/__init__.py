"""Files in buckets: what a run reads from one, and the copy of a run directory that is kept in one.

Only this room speaks to S3 about files of runs. It knows no names of a run directory; those are in `workspace.py`.
"""
