"""What a result was made with: versions, device, threads, state of the checkout."""

from __future__ import annotations

import functools
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

_PACKAGES = ("torch", "torch-geometric", "numpy", "scipy", "scikit-learn", "mlflow")


def environment(device: torch.device) -> dict[str, Any]:
    """Versions, device, threads and git state, JSON-ready."""
    from mrdib_graph.version import __version__

    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    return {
        "versions": {
            "mrdib_graph": __version__,
            "python": platform.python_version(),
            **{package: metadata.version(package) for package in _PACKAGES},
        },
        "device": f"{device} ({name})",
        "threads": torch.get_num_threads(),
        "platform": platform.platform(),
        "git": git_state(),
    }


@functools.cache
def git_state() -> dict[str, Any]:
    """Commit of the checkout that the package runs from and whether it was changed, if any.

    Asked once a process: a commit made during a run is not what runs.
    """
    folder = Path(__file__).parent

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    commit = git("rev-parse", "HEAD")
    if commit is None:
        return {"commit": None, "dirty": None}
    return {"commit": commit, "dirty": bool(git("status", "--porcelain"))}
