"""Computing with arrays: numpy only, no files and no options."""
