"""Measuring the client itself: how exact its times are on this machine, and up to which load."""
