"""Numbers only: numpy, no files, no options."""
