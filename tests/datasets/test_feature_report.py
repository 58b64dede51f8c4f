import logging
from pathlib import Path

import pytest
import torch

from mrdib_graph.datasets.feature_report import report_features
from mrdib_graph.transforms import row_blocks


@pytest.mark.parametrize("block", [10, 2**22])
def test_counts(monkeypatch, caplog, block):
    monkeypatch.setattr(row_blocks, "BLOCK_VALUES", block)
    x = torch.randn(50, 5, generator=torch.Generator().manual_seed(0))
    x[:, 2] = 1e-33 * x[:, 2]
    x[3] = x[40] = x[41]
    x[7] = x[8] = 0
    with caplog.at_level(logging.WARNING):
        counts = report_features(Path("text_feat.npy"), x)
    distinct = len({tuple(row) for row in x.tolist()})
    assert list(counts.values()) == [2, 50 - distinct, 1] == [2, 3, 1]
    assert "text_feat.npy: 2 all-zero rows" in caplog.text
    assert "1 near-constant columns" in caplog.text


def test_clean_features_are_silent(caplog):
    x = torch.randn(50, 5, generator=torch.Generator().manual_seed(0))
    assert set(report_features(Path("x"), x).values()) == {0}
    assert not caplog.records
