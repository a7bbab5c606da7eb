"""Heads of the tasks, on the last map of a backbone."""
