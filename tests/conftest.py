"""Signals end the programs that tests start, even where pytest was started in the background or by nohup."""

import signal

for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) == signal.SIG_IGN:  # children would inherit that
        signal.signal(number, handler)
