import pytest
import torch

from mrdib_graph.transforms import row_blocks


@pytest.mark.parametrize("shape", [(0, 3), (1, 3), (7, 3), (10, 1), (4, 100)])
def test_blocks_cover_every_row_once_and_stay_small(monkeypatch, shape):
    monkeypatch.setattr(row_blocks, "BLOCK_VALUES", 6)
    x = torch.arange(shape[0] * shape[1]).view(shape)
    blocks = [x[rows] for rows in row_blocks.row_blocks(x)]
    assert torch.equal(torch.cat([x[:0], *blocks]), x)
    assert all(block.numel() <= max(6, shape[1]) for block in blocks)
