"""What a run is made from: its files, payload files, tokenizers, prices, and the levels that these add up to."""
