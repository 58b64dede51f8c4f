from collections.abc import Callable
from typing import Any

import pytest
from torch_geometric.data import HeteroData

from mrdib_graph.datasets import Planted
from mrdib_graph.experiment.config import RunConfig, Settings, settings_name
from mrdib_graph.tracking import Tracker
from mrdib_graph.training import TrainerConfig

SIZES = {
    **{"num_users": 120, "num_items": 100, "num_interactions": 2000},
    "modalities": {"image": 16, "text": 12},
}

MakeConfig = Callable[..., RunConfig]


def build_config(backbone: str = "vbpr", **changes: Any) -> RunConfig:
    """A run of two epochs on a tiny planted set; a change is a field of either class.

    ``own_arms`` is the field ``arms`` of the settings.
    """
    names = backbone.split(",")
    of_run = {k: v for k, v in changes.items() if k in RunConfig.__dataclass_fields__}
    of_settings = {k: v for k, v in changes.items() if k not in of_run}
    of_settings["arms"] = of_settings.pop("own_arms", {})
    trainer = TrainerConfig(epochs=2, batch_size=512, **of_settings.pop("trainer", {}))
    settings = Settings(embedding_dim=8, trainer=trainer, **of_settings)
    base: dict[str, Any] = {
        "backbone": names,
        "dataset_options": SIZES,
        "settings": {settings_name(name): settings for name in names},
        **{"seeds": [0], "baselines": [], "profile": False, "mlflow": False, "quiet": True},
    }
    return RunConfig(**{**base, **of_run})


@pytest.fixture
def make_config() -> MakeConfig:
    return build_config


@pytest.fixture(scope="session")
def planted() -> Planted:
    return Planted(**SIZES)


@pytest.fixture
def data(planted: Planted) -> HeteroData:
    return planted[0]


class Notes(Tracker):
    """Keeps every call: its name and arguments."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def __getattribute__(self, name: str) -> Any:
        if name in ("calls", "of", "names") or name.startswith("_"):
            return super().__getattribute__(name)
        return lambda *given, **named: self.calls.append((name, given, named))

    def of(self, name: str) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
        """Arguments of every call of one method."""
        return [(given, named) for called, given, named in self.calls if called == name]

    def names(self) -> list[str]:
        """Methods in the order in which they were called."""
        return [name for name, _, _ in self.calls]


@pytest.fixture
def notes() -> Notes:
    return Notes()
