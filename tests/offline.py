"""A guard that keeps Python processes from the network, and tells who tried."""

from pathlib import Path

GUARD = '''
import sys

FORBIDDEN = ("socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname", "urllib.Request")


def guard(event, arguments):
    """Write down and refuse what would leave this machine; the sockets of its own processes have paths."""
    if event in FORBIDDEN and not (event == "socket.connect" and isinstance(arguments[1], (str, bytes))):
        with open({log!r}, "a") as file:
            file.write(f"{{sys.argv}}: {{event}} {{arguments}}\\n")
        raise OSError("the network is forbidden here")


sys.addaudithook(guard)
'''


def forbid_network(folder: Path) -> Path:
    """Write into `folder` what forbids the network to every Python process that has it in PYTHONPATH.

    Python imports `sitecustomize` when it starts, and tells audit hooks of every address looked up or connected to.

    Returns:
        A file with a line for each attempt; it is not there as long as nobody tried.
    """
    log = folder / "attempts.txt"
    (folder / "sitecustomize.py").write_text(GUARD.format(log=str(log)), encoding="utf-8")
    return log
