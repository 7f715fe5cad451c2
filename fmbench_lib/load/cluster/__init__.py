"""Levels that are sent from several machines at once, by the workers that send them from one."""
