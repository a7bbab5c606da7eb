"""Checkpoints applied to files."""
