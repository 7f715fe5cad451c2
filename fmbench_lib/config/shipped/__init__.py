"""The configs, notebooks and price file that ship with the package, and what each config needs."""
