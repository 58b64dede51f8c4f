"""Nothing but the wheel: what ``pip install`` gives can train, go on, recommend and explain."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SIZES = ("num_users=120", "num_items=100", "num_interactions=2000")
TINY = [flag for size in SIZES for flag in ("--set", f"dataset_options.{size}")]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built from a copy, without the network."""
    copy = tmp_path_factory.mktemp("source")
    for name in ("setup.py", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, copy)
    shutil.copytree(ROOT / "mrdib_graph", copy / "mrdib_graph")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*command, "--no-build-isolation", "-w", "wheel", "."], cwd=copy, check=True)
    [made] = (copy / "wheel").glob("*.whl")
    return made


@pytest.fixture(scope="module")
def program(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``mrdib-graph`` in an environment with the wheel and what it requires, nothing else.

    The requirements are those of this interpreter, by the path of its packages alone, whose own
    ``.pth`` files, such as that of an editable install of the checkout, are not read.
    """
    folder = tmp_path_factory.mktemp("environment") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    command = [sys.executable, "-m", "pip", f"--python={folder / 'bin' / 'python'}", "install"]
    subprocess.run([*command, "--quiet", "--no-deps", "--no-index", wheel], check=True)
    [packages] = folder.glob("lib/python*/site-packages")
    (packages / "requirements.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin" / "mrdib-graph"


@pytest.fixture
def call(program: Path, tmp_path: Path) -> Callable[..., str]:
    """``call(*words)`` runs ``mrdib-graph`` in an empty folder and gives what it printed."""

    def run(*words: object) -> str:
        done = subprocess.run(
            [program, *map(str, words)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment(),
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return kept | {"OMP_NUM_THREADS": "1"}


def test_the_wheel_has_the_settings_and_only_the_package(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    settings = {p.relative_to(ROOT).as_posix() for p in (ROOT / "mrdib_graph").rglob("*.yaml")}
    assert settings and settings <= set(names)
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"mrdib_graph"}


def test_the_commands_of_the_installed_package(
    call, program: Path, make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    where = subprocess.run(
        [program.parent / "python", "-c", "import mrdib_graph; print(mrdib_graph.__file__)"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment(),
        check=True,
    )
    assert where.stdout.startswith(str(program.parents[1]))
    flags = ("--seeds", "0", "--epochs", "1", "--no-profile", "--quiet", "--out", "run")
    out = call("run", "--backbone", "lattice", *TINY, *flags)
    assert f"mrdib-graph ui --runs {tmp_path / 'run'}" in out
    assert "lattice mrdib: test" in call("run", "--resume", "run", "--epochs", "2")
    assert (
        len(call("recommend", "--bundle", "run/bundle", "--user", "7", "--k", "3").splitlines())
        == 4
    )
    assert "score" in call("explain", "--run", "run", "--user", "7", "--top", "1")
    assert "no error found" in call("datasets", "check", make_folder(tmp_path / "shop"))
    assert "lattice" in call("list", "backbones")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ui = subprocess.Popen(
        [program, "ui", "--runs", "run", "--port", str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=tmp_path,
        env=environment(),
        start_new_session=True,
    )
    try:
        assert ui.stdout is not None
        assert ui.stdout.readline() == f"tracking URI: sqlite:///{tmp_path}/run/mlflow.db\n"
        assert f"http://127.0.0.1:{port}" in ui.stdout.readline() and ui.poll() is None
    finally:
        os.killpg(ui.pid, signal.SIGKILL)
        ui.wait(30)
