import pytest
import torch

from mrdib_graph.transforms import row_blocks


@pytest.mark.parametrize("shape", [(0, 3), (1, 3), (7, 3), (10, 1), (4, 100)])
def test_blocks_cover_every_row_once_and_stay_small(monkeypatch, shape):
    monkeypatch.setattr(row_blocks, "BLOCK_VALUES", 6)
    x = torch.arange(shape[0] * shape[1]).view(shape)
    blocks = [x[rows] for rows in row_blocks.row_blocks(x)]
    assert torch.equal(torch.cat([x[:0], *blocks]), x)
    assert all(6 <= block.numel() for block in blocks[:-1])
    assert all(block.numel() < 6 + shape[1] for block in blocks)


@pytest.mark.parametrize("width", [1, 128, 4096, 50_000, 5_000_000])
def test_a_block_of_float64_is_never_below_what_the_c_library_gives_back(width):
    x = torch.empty(1).expand(2 * 2**22 // min(width, 2**22) + 2, width)
    first = next(row_blocks.row_blocks(x))
    assert x[first].numel() * 8 >= 32 * 2**20
