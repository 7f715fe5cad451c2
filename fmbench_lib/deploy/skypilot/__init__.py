"""Machines of a fleet, which SkyPilot makes and deletes."""
