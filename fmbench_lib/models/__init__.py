"""Model files: the embedded model, the Hugging Face Hub and its token, GGUF metadata, the cache folder."""
