"""Torch's threads wait asleep: both commands say so before torch is imported, which reads it once."""

import os
import subprocess
import sys

import pytest

from fractalvid.pretrain.machine import wait_asleep


def test_the_users_own_choice_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    wait_asleep()
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"
    monkeypatch.delenv("OMP_WAIT_POLICY")
    wait_asleep()
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"


@pytest.mark.parametrize("command", ["pretrain", "finetune"])
def test_commands_say_so_in_time(command: str) -> None:
    program = (
        "import os, sys\n"
        "from unittest import mock\n"
        f"from fractalvid.{command}.cli import main\n"
        "module = sys.modules[main.__module__]\n"
        "def begins(*_):\n"
        "    print(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)\n"
        "    return 0\n"
        "with mock.patch.object(module, 'run_cli', begins):\n"
        "    main([])\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["PASSIVE", "False"]
