import pytest
import torch

from mrdib_graph.training import memory_mb


@pytest.mark.skipif(torch.cuda.is_available(), reason="the GPU's memory may be reported instead")
def test_memory_is_that_of_this_process():
    before = memory_mb()
    block = torch.ones(80 * 2**18)  # 80 MB
    assert 75 < memory_mb() - before < 120
    assert block.numel()
