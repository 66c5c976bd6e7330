"""The only room that knows Matplotlib: one module per picture."""

FORMATS = ("png", "svg", "pdf")
"""What a figure may be written as, told by the suffix of its name."""
