"""What belongs to every training, whatever its task."""
