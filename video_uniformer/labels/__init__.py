"""Class names: the shipped lists, their reader, and which names mean the same class."""
