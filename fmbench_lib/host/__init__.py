"""This machine: its facts and limits, processes started on it, ports."""
