"""Files in buckets: those that a run reads, those that deployments upload, and the copy of a run directory.

Only this room calls S3. It knows no file names of a run directory; those are in `workspace.py`.
"""
