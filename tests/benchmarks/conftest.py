"""The scripts of ``benchmarks/`` as modules."""

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


def load(name: str) -> ModuleType:
    """A module of ``benchmarks/`` by its path, as Python loads a script."""
    spec = importlib.util.spec_from_file_location(f"_{name}", ROOT / "benchmarks" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def load_job() -> Callable[[str], ModuleType]:
    """A module of ``benchmarks/`` by its name."""
    return load


@pytest.fixture(scope="session")
def run_script() -> Callable[..., subprocess.CompletedProcess[str]]:
    """``run_script(name, *flags)`` runs a script of ``benchmarks/`` in a process of its own."""

    def run(name: str, *flags: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(ROOT / "benchmarks" / f"{name}.py"), *flags]
        return subprocess.run(command, capture_output=True, text=True)

    return run
