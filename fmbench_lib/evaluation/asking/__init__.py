"""Asking judges: requests, retries, what is kept, what it costs."""
