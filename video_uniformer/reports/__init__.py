"""What is drawn and written for people."""
