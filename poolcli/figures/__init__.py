"""Everything that poolcli draws: one module per figure, all on one canvas.

PNG files are drawn with numpy and Pillow's fonts; Matplotlib is imported only for SVG and PDF.
"""

FORMATS = ("png", "svg", "pdf")
"""Formats of a figure; the suffix of its file name chooses one."""

PANEL = 600
"""Longest side, in pixels, of a map in a figure; larger maps are reduced for display."""
