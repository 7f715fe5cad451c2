"""Scores that need no judge: of texts, numbers, structured output and embeddings."""
