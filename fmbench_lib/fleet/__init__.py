"""Machines of a fleet: SkyPilot's command line, its task files, and what machines have measured brought back."""
