"""The timed path: workers, sockets, timestamps. Nothing here parses JSON or counts tokens while a level runs."""
