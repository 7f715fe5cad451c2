"""fmbench: which model, on which stack and instance, at which load, gives this latency for the least money?"""

__version__ = "0.1.0"
