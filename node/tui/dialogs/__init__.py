"""What is laid over a screen for one question, one file each."""
