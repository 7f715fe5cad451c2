"""What an endpoint's machine was doing meanwhile: sampled in a process of its own, joined to levels by time."""
