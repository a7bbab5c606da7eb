"""What `scripts/benchmark.py` compares, and how it takes the time."""
