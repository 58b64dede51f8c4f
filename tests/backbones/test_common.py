"""The common checks on every backbone that the package exports, also with other options."""

from typing import Any

import pytest

from mrdib_graph import backbones, resolver
from mrdib_graph.backbones import LATTICE, MGCN, SMORE, VBPR, Backbone, LightGCN
from mrdib_graph.errors import ConfigError
from mrdib_graph.testing import check_backbone, tiny_data

ALL = resolver.choices(backbones, Backbone)
OTHER_OPTIONS: list[tuple[type[Backbone], dict[str, Any]]] = [
    (LightGCN, {"num_layers": 0, "reg_norm": "squared"}),
    (VBPR, {"user_side": "vector", "reg": 0.1}),
    (LATTICE, {"num_item_layers": 2, "reg": 0.1, "user_side": "vector"}),
    (LATTICE, {"learned_norm": "per_modality", "ui_norm": "sym", "k": 50}),
    (LATTICE, {"cf_model": "mf", "mix": 0.0}),
    (LATTICE, {"mix": 1.0, "embedding_dim": 16}),
    (MGCN, {"side_scale": "paper", "num_item_layers": 2, "train_features": True, "k": 4}),
    (MGCN, {"reg": 0.0, "contrast_weight": 0.0, "num_layers": 0}),
    (SMORE, {"dropout": 0.3, "embedding_dim": 7, "k": 4, "train_features": True}),
    (SMORE, {"reg": 0.0, "contrast_weight": 0.0, "num_item_layers": 2, "num_layers": 0}),
]


@pytest.mark.parametrize("name", sorted(ALL))
def test_defaults(name: str) -> None:
    check_backbone(ALL[name])


@pytest.mark.parametrize(
    ("backbone_class", "options"), OTHER_OPTIONS, ids=lambda value: getattr(value, "__name__", None)
)
def test_other_options(backbone_class: type[Backbone], options: dict[str, Any]) -> None:
    check_backbone(backbone_class, **options)


@pytest.mark.parametrize("name", sorted(ALL))
def test_sizes_below_one_are_refused(name: str) -> None:
    sizes = {"num_users": 3, "num_items": 4, "in_channels": {"image": 5}, "embedding_dim": 2}
    ALL[name](**sizes)
    for size in ("num_users", "num_items", "embedding_dim"):
        with pytest.raises(ConfigError, match=f"{size}: got 0, expected 1 or more"):
            ALL[name](**{**sizes, size: 0})


@pytest.mark.parametrize("name", sorted(ALL))
def test_default_width(name: str) -> None:
    assert ALL[name].from_data(tiny_data()).embedding_dim == 64
