"""Compiling models for AWS Inferentia and Trainium, shared by the platforms that serve them."""
