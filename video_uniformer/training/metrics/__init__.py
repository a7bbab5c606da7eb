"""Metrics that count every sample once."""
