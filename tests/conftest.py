"""What tests of several folders share: a tiny graph, and the main job as a user starts it."""

import contextlib
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.cli import main, run
from mrdib_graph.experiment import run_tracking
from mrdib_graph.transforms import SplitInteractions

GROUPS = 4
WIDTHS = {"image": 12, "text": 8, "audio": 6, "video": 5}

torch.set_num_threads(1)  # tiny products: more threads only wait for one another

MakeTiny = Callable[..., HeteroData]


def build_tiny(
    modalities: Sequence[str] = ("image", "text"),
    missing: Mapping[str, Sequence[int]] | None = None,
    seed: int = 0,
    num_users: int = 30,
    num_items: int = 40,
) -> HeteroData:
    """A split graph in which a user of group g takes seven of the items of group g and two others.

    The last user and the last item have no interaction, item 3 has no text, and items 0 and 4
    share their image features' values.
    """
    generator = torch.Generator().manual_seed(seed)
    pairs = []
    for user in range(num_users - 1):
        same = torch.arange(user % GROUPS, num_items - 1, GROUPS)
        other = torch.arange((user + 1) % GROUPS, num_items - 1, GROUPS)
        taken = same[torch.randperm(same.numel(), generator=generator)[:7]].tolist()
        taken += other[torch.randperm(other.numel(), generator=generator)[:2]].tolist()
        pairs += [(user, item) for item in taken]
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = num_users, num_items
    data[graph.INTERACTS].edge_index = torch.tensor(pairs).t().contiguous()
    missing = {"text": (3,)} if missing is None else missing
    for m in modalities:
        centre = torch.randn(GROUPS, WIDTHS[m], generator=generator)
        noise = 0.5 * torch.randn(num_items, WIDTHS[m], generator=generator)
        x = centre[torch.arange(num_items) % GROUPS] + noise
        if m == "image":
            x[4] = x[0]
        item = torch.tensor([i for i in range(num_items) if i not in missing.get(m, ())])
        data[m].x = x[item]
        data[graph.describes(m)].edge_index = torch.stack([torch.arange(item.numel()), item])
    data = SplitInteractions("random", seed=seed)(data)
    graph.validate(data)
    return data


@pytest.fixture
def make_tiny() -> MakeTiny:
    """Modalities, items that lack one, seed and sizes to a small split graph."""
    return build_tiny


@pytest.fixture
def tiny() -> HeteroData:
    """30 users, 40 items, image and text; item 3 has no text."""
    return build_tiny()


@pytest.fixture
def tiny3() -> HeteroData:
    """As ``tiny`` with audio as a third modality."""
    return build_tiny(("image", "text", "audio"))


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


@pytest.fixture(scope="session")
def main_job() -> ModuleType:
    """The command ``mrdib-graph run`` as a module."""
    return run


@pytest.fixture(scope="session")
def job() -> Job:
    """``job(*flags)`` runs the main job in this process."""

    def call(*flags: object) -> Done:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main(["run", *(str(flag) for flag in flags)])
        return Done(status, out.getvalue(), err.getvalue())

    return call


@pytest.fixture(scope="module")
def quick() -> Iterator[None]:
    """Leave out what takes most of a tiny run's time and is tested in the finished run: figures."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_tracking, "draw", lambda *given, **_: given[3])
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
