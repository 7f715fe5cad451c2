"""Codecs, one module per wire protocol; which is whose is in `registry`."""
