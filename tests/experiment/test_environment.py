"""What a result was made with."""

import json
import platform
import subprocess
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
import torch

import mrdib_graph
from mrdib_graph.experiment import environment as module

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def ask_again() -> Iterator[None]:
    """What the git state is, is kept for the whole process."""
    module.git_state.cache_clear()
    yield
    module.git_state.cache_clear()


def test_versions_device_and_threads() -> None:
    found = module.environment(torch.device("cpu"))
    assert list(found) == ["versions", "device", "threads", "platform", "git"]
    assert found["versions"]["mrdib_graph"] == mrdib_graph.__version__
    assert found["versions"]["python"] == platform.python_version()
    for package in ("torch", "torch-geometric", "numpy", "scipy", "scikit-learn", "mlflow"):
        assert found["versions"][package] == metadata.version(package)
    assert found["device"] == f"cpu ({platform.machine()})"
    assert found["threads"] == torch.get_num_threads()
    assert json.loads(json.dumps(found)) == found


def test_the_commit_of_the_checkout() -> None:
    done = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip("not in a git checkout")
    found = module.git_state()
    assert found["commit"] == done.stdout.strip() and isinstance(found["dirty"], bool)


@pytest.mark.parametrize("how", ["no git", "slow git", "no checkout"])
def test_without_a_checkout_nothing_is_claimed(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: list[str], **named: object) -> subprocess.CompletedProcess[str]:
        if how == "no git":
            raise FileNotFoundError("git")
        if how == "slow git":
            raise subprocess.TimeoutExpired(command, 10)
        return subprocess.CompletedProcess(command, 128, "", "not a git repository")

    monkeypatch.setattr(subprocess, "run", run)
    assert module.git_state() == {"commit": None, "dirty": None}


def test_a_changed_checkout_is_dirty(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: list[str], **named: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 0, status if "status" in command else "ab12\n")

    monkeypatch.setattr(subprocess, "run", run)
    status = " M file.py\n"
    assert module.git_state() == {"commit": "ab12", "dirty": True}
    assert module.git_state() is module.git_state()  # asked once
    module.git_state.cache_clear()
    status = ""
    assert module.git_state() == {"commit": "ab12", "dirty": False}
