import pytest
import torch

from mrdib_graph.typing import Embeddings


@pytest.fixture
def rows() -> Embeddings:
    """Rows of 200 users and 400 items, 6 wide; the second item lacks text."""
    generator = torch.Generator().manual_seed(0)

    def draw(n: int) -> torch.Tensor:
        return torch.randn(n, 6, generator=generator)

    item = {name: draw(400) for name in ("id", "image", "text")}
    item["text"][1] = 0
    return {"user": {"id": draw(200), "image": draw(200), "text": draw(200)}, "item": item}
