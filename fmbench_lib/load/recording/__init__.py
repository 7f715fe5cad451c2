"""After the clock has stopped: raw responses decoded into request records and written to Parquet."""
