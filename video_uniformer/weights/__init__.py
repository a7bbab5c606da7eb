"""Files of weights to networks and back: ours, the authors', and those of a hub."""
