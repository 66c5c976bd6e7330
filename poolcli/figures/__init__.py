"""The only room that knows Matplotlib: one module per picture."""

FORMATS = ("png", "svg", "pdf")
"""What a figure may be written as, told by the suffix of its name."""

PANEL = 600
"""Largest side of a map in a figure: larger ones are reduced for display."""
