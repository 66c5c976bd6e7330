"""What to do (recipes) and doing it (the engine)."""
