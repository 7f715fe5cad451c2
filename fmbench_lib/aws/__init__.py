"""AWS: sessions and clients, addresses, credentials and signatures, and the translation of its errors."""
