"""Serving stacks on EC2: one module for each, which describes an experiment's containers."""
