"""The main job as a user starts it: its entry point, a tiny data set, one finished run."""

import contextlib
import importlib.util
import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np
import pytest

from mrdib_graph.experiment import telling

ROOT = Path(__file__).resolve().parents[2]

TINY = [
    *("--set", "dataset_options.num_users=120", "--set", "dataset_options.num_items=100"),
    *("--set", "dataset_options.num_interactions=2000", "--embedding-dim", "8"),
    *("--set", "dataset_options.modalities={image: 16, text: 12}"),
    *("--epochs", "2", "--batch-size", "512", "--quiet"),
]
"""Flags of a run that takes a fraction of a second."""

LIGHT = ["--seeds", "0", "--no-profile", "--no-mlflow", "--baselines", "none"]


class Done(NamedTuple):
    """How a command ended: exit status, standard output and error."""

    status: int
    out: str
    err: str


Job = Callable[..., Done]


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
def main_job() -> ModuleType:
    """``benchmarks/run.py`` as a module."""
    return load("run")


@pytest.fixture(scope="session")
def job(main_job: ModuleType) -> Job:
    """``job(*flags)`` runs the main job in this process."""

    def call(*flags: object) -> Done:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main_job.main([str(flag) for flag in flags])
        return Done(status, out.getvalue(), err.getvalue())

    return call


@pytest.fixture(scope="module")
def quick() -> Iterator[None]:
    """Leave out what takes most of a tiny run's time and is tested in the finished run: figures."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(telling, "draw", lambda *given, **_: given[3])
        yield


@pytest.fixture(scope="session")
def tiny_flags() -> list[str]:
    """Flags of a run that takes a fraction of a second; later flags win."""
    return [*TINY, *LIGHT]


@pytest.fixture(scope="session")
def tiny_job(job: Job) -> Job:
    """``tiny_job(*flags)``: the main job on a tiny planted set."""
    return lambda *flags: job(*TINY, *LIGHT, *flags)


def write_folder(folder: Path, num_users: int = 30, num_items: int = 24) -> Path:
    """A data set in a folder: every user has ten items, 8 training, 1 validation, 1 test."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    rows = ["userID\titemID\tx_label"]
    for user in range(num_users):
        items = [user % num_items, *generator.permutation(num_items)]
        items = list(dict.fromkeys(int(i) for i in items))[:10]
        rows += [f"{user}\t{i}\t{max(0, n - 7)}" for n, i in enumerate(items)]
    (folder / f"{folder.name}.inter").write_text("\n".join(rows) + "\n", encoding="utf-8")
    for name, width in (("image", 6), ("text", 5), ("audio", 4)):
        x = generator.standard_normal((num_items, width)).astype(np.float32)
        np.save(folder / f"{name}_feat.npy", x)
    return folder


@pytest.fixture
def make_folder() -> Callable[..., Path]:
    """A folder's path and sizes to a small data set in it."""
    return write_folder


@pytest.fixture
def data_folder(tmp_path: Path) -> Path:
    """A small data set of one's own with three modalities: ``shop/shop.inter``."""
    return write_folder(tmp_path / "shop")


class Finished(NamedTuple):
    """A finished run with profile and MLflow: how it ended, and its folder."""

    done: Done
    folder: Path


@pytest.fixture(scope="session")
def finished(job: Job, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Two backbones, three arms, two seeds; the test split is large enough for the profile."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    done = job(
        *TINY,
        *("--set", "dataset_options.num_users=320", "--set", "dataset_options.num_items=80"),
        *("--set", "dataset_options.num_interactions=6400"),
        *("--backbone", "vbpr,lightgcn", "--arms", "bare,mrdib,noise"),
        *("--seeds", "0,1", "--baselines", "popularity,itemknn", "--out", folder),
    )
    assert done.status == 0, done.err
    return Finished(done, folder)
