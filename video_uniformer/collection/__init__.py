"""Looking at, or rewriting, a whole collection of videos; training never imports it."""
