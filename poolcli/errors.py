"""What can go wrong, in one place.

Every message is one line: what was wrong, the value seen, what would be accepted. No exit codes
here; the command line maps classes to codes in one table of its own.
"""


class PoolcliError(Exception):
    """Anything poolcli refuses, with a message fit for a user."""


class OptionError(PoolcliError, ValueError):
    """A setting that is wrong for every picture: a size of 0, an unknown kind, a malformed kernel."""


class SizeError(PoolcliError, ValueError):
    """A setting that is wrong for this picture: the window is larger than the map."""


class ImageError(PoolcliError):
    """A file that cannot be read as a picture: missing, damaged, too large, not finite."""


class OutputError(PoolcliError):
    """A result that cannot be written: it exists, the folder is missing, the disk is full."""
