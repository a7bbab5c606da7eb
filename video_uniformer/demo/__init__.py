"""Data sets that are drawn, to see the whole work."""
