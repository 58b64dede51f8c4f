from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mrdib_graph.serving import Bundle, BundleInfo

NUM_USERS, NUM_ITEMS, WIDTH = 12, 17, 3


def make(names: bool = True, seed: int = 0) -> Bundle:
    """Whole-number tables, so that scores are exact and equal scores are frequent."""
    generator = torch.Generator().manual_seed(seed)
    user_table = torch.randint(-3, 4, (NUM_USERS, WIDTH), generator=generator).float()
    item_table = torch.randint(-3, 4, (NUM_ITEMS, WIDTH), generator=generator).float()
    pairs = torch.randperm(NUM_USERS * NUM_ITEMS, generator=generator)[:70]
    edge_index = torch.stack([pairs // NUM_ITEMS, pairs % NUM_ITEMS])
    return Bundle.from_tables(
        user_table,
        item_table,
        edge_index,
        user_ids=[f"user-{row:02d}" for row in range(NUM_USERS)],
        item_ids=[f"B{row:03d}" for row in range(NUM_ITEMS)],
        item_names=[f"Item, number {row}" for row in range(NUM_ITEMS)] if names else None,
        info=BundleInfo("small", "lattice", "mrdib", "planted", "ab12", {"recall@20": 0.25}),
    )


@pytest.fixture
def make_bundle() -> Callable[..., Bundle]:
    return make


@pytest.fixture
def bundle() -> Bundle:
    return make()


@pytest.fixture
def folder(bundle: Bundle, tmp_path: Path) -> Path:
    return bundle.save(tmp_path / "bundle")
