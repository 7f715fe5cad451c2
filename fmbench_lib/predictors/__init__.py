"""Codecs, one module per wire protocol; the rows in `config.platforms` name them."""
