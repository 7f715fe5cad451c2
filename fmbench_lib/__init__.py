"""fmbench: which model, on which serving stack and instance, at which load, gives the latency I need for the least money."""

__version__ = "0.1.0"
