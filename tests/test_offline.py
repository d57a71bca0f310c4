"""The guard that keeps other tests from the network sees every attempt."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.offline import forbid_network

CALLS = {
    "socket.connect": "socket.create_connection(('127.0.0.1', 9))",
    "socket.getaddrinfo": "socket.getaddrinfo('example.invalid', 80)",
    "socket.gethostbyname": "socket.gethostbyname('example.invalid')",
    "urllib.Request": "urllib.request.urlopen('http://127.0.0.1:9')",
    "socket.sendto": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))",
}


def run(code: str, guard: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", f"import socket, urllib.request\n{code}"]
    env = os.environ | {"PYTHONPATH": str(guard)}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("event", CALLS)
def test_attempts_are_refused_and_told(event: str, tmp_path: Path) -> None:
    attempts = forbid_network(tmp_path)
    done = run(CALLS[event], tmp_path)
    assert "OSError: the network is forbidden here" in done.stderr
    assert attempts.read_text().strip()


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="there are no sockets with paths here")
def test_sockets_of_this_machine_are_left_alone(tmp_path: Path) -> None:
    attempts = forbid_network(tmp_path)
    done = run("socket.socketpair(); socket.socket(socket.AF_UNIX).connect('/nowhere')", tmp_path)
    assert "FileNotFoundError" in done.stderr
    assert not attempts.exists()
