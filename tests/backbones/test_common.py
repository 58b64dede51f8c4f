"""The common checks on every backbone that the package exports, also with other options."""

from typing import Any

import pytest

from mrdib_graph import backbones, resolver
from mrdib_graph.backbones import (
    BM3,
    DRAGON,
    FREEDOM,
    GRCN,
    LATTICE,
    MENTOR,
    MGCN,
    MMGCN,
    SMORE,
    SOIL,
    VBPR,
    Backbone,
    DualGNN,
    LGMRec,
    LightGCN,
    SLMRec,
)
from mrdib_graph.errors import ConfigError
from mrdib_graph.testing import check_backbone, tiny_data

ALL = resolver.choices(backbones, Backbone)
OTHER_OPTIONS: list[tuple[type[Backbone], dict[str, Any]]] = [
    (LightGCN, {"num_layers": 0, "reg_norm": "squared"}),
    (VBPR, {"user_side": "vector", "reg": 0.1}),
    (LATTICE, {"num_item_layers": 2, "reg": 0.1, "user_side": "vector"}),
    (LATTICE, {"learned_norm": "per_modality", "ui_norm": "sym", "k": 50}),
    (LATTICE, {"cf_model": "mf", "mix": 0.0, "train_features": True}),
    (LATTICE, {"mix": 1.0, "embedding_dim": 16}),
    (MGCN, {"side_scale": "paper", "num_item_layers": 2, "train_features": True, "k": 4}),
    (MGCN, {"reg": 0.0, "contrast_weight": 0.0, "num_layers": 0}),
    (SMORE, {"dropout": 0.3, "embedding_dim": 7, "k": 4, "train_features": True}),
    (SMORE, {"reg": 0.0, "contrast_weight": 0.0, "num_item_layers": 2, "num_layers": 0}),
    (LGMRec, {"num_hyper_layers": 3, "num_hyperedges": 16, "dropout": 0.0, "alpha": 1.0}),
    (LGMRec, {"contrast_weight": 0.0, "reg": 0.0, "num_layers": 0, "num_modality_layers": 1}),
    (SLMRec, {"contrast_weight": 1.0, "num_layers": 1, "embedding_dim": 16}),
    (SLMRec, {"contrast_weight": 0.0, "temperature": 1.0}),
    (FREEDOM, {"num_item_layers": 2, "train_features": True, "user_side": "mean", "k": 4}),
    (FREEDOM, {"prune": 0.0, "reg": 0.0, "num_layers": 0, "user_side": "vector"}),
    (BM3, {"num_layers": 2, "train_features": True, "user_side": "mean", "dropout": 0.3}),
    (BM3, {"dropout": 0.0, "reg": 0.0, "alignment_weight": 0.0, "user_side": "vector"}),
    (SOIL, {"exclude_history": True, "k_second_order": 3, "contrast_warmup_epochs": 4}),
    (SOIL, {"interest_count": False, "side_scale": "paper", "second_order_weight": 1.0}),
    (SOIL, {"k_interest": 0, "k_second_order": 0, "contrast_weight": 0.0, "num_layers": 0}),
    (DualGNN, {"pad": "none", "inplace_quirk": False, "num_layers": 1, "user_k": 4, "reg": 0.0}),
    (DRAGON, {"pad": "none", "num_item_layers": 2, "k": 4, "user_k": 300, "reg": 0.0}),
    (MENTOR, {"contrast_weight": 0.0, "num_item_layers": 2, "k": 4, "reg": 0.0}),
    (MENTOR, {"align_weight": 0.0, "contrast_weight": 1.0, "temperature": 0.6, "noise": 0.3}),
    (MMGCN, {"train_ids": True, "reg": 0.1, "project_above": 6, "hidden_channels": 10}),
    (MMGCN, {"project_above": 6, "embedding_dim": 7}),
    (GRCN, {"routing": "published", "num_layers": 0, "reg": 0.0}),
    (GRCN, {"num_routing": 1, "num_layers": 1, "embedding_dim": 7}),
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
        with pytest.raises(ConfigError, match=f"{size}: got 0, expected a whole number, 1 or more"):
            ALL[name](**{**sizes, size: 0})


@pytest.mark.parametrize("name", sorted(ALL))
def test_default_width(name: str) -> None:
    assert ALL[name].from_data(tiny_data()).embedding_dim == 64
