"""What a command says while it works: the log `fractalvid` as lines on standard error, above its progress bars."""

import logging
import os
import sys

from fractalvid.utils.messages.phrases import one_line


class _Lines(logging.Handler):
    """Writes messages as lines, with no bar torn apart."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one; where standard error can't be written, nothing."""
        from tqdm import tqdm  # not for --help

        try:
            tqdm.write("\n".join(map(one_line, record.getMessage().split("\n"))), file=sys.stderr)
            sys.stderr.flush()
        except OSError:
            pass


def show_log() -> None:
    """Have this process show the log, as the commands do; of several processes of one run, the first of a machine."""
    log = logging.getLogger("fractalvid")
    if os.environ.get("LOCAL_RANK", "0") == "0" and not any(isinstance(each, _Lines) for each in log.handlers):
        log.addHandler(_Lines())
        log.setLevel(logging.INFO)


def announce(text: str) -> None:
    """Say what begins, before what takes seconds to load is loaded; of several processes, the first says it.

    At a terminal that is a line on standard error. Elsewhere it is one on standard output, so that an error is still
    the one line of standard error.
    """
    if sys.stderr.isatty():
        logging.getLogger("fractalvid").info(one_line(text))
    elif os.environ.get("RANK", "0") == "0":
        print(one_line(text), flush=True)
