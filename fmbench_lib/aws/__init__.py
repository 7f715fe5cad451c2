"""AWS: sessions and clients, addresses, credentials and signatures, and what its errors mean."""
