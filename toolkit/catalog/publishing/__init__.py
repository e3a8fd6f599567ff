"""A run made into one file set for others."""
