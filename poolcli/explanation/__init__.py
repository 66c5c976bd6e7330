"""Explains every number of a small picture: the window and arithmetic of each value, as text, JSON, figure and page."""
