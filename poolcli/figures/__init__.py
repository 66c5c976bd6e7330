"""The only room that knows Matplotlib: one module per picture."""
