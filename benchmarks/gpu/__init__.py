"""What is claimed of GPUs, done on one in a few minutes: see `__main__`."""
