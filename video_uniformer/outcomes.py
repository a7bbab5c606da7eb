"""What became of a sample of a list: read whole, read in part, left out, or replaced.

A batch carries the place in `STATUSES` as a number, so that it travels as a tensor.
"""

STATUSES = ("ok", "salvaged", "skipped", "substituted")
OK, SALVAGED, SKIPPED, SUBSTITUTED = range(4)
