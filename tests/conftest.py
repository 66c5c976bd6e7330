"""Ctrl-C works in the programs that tests start, even where the shell started pytest in the background."""

import signal

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as a job of a script has it; children would inherit that
    signal.signal(signal.SIGINT, signal.default_int_handler)
