from collections.abc import Callable, Mapping, Sequence

import pytest
import torch
from torch_geometric.data import HeteroData

from mrdib_graph import graph
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
