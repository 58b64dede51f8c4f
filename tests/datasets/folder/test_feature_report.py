import logging
from pathlib import Path

import pytest
import torch

from mrdib_graph.datasets.folder.feature_report import FAR, feature_report, report_features
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
    assert list(counts.values()) == [2, 50 - distinct, 1, 0] == [2, 3, 1, 0]
    assert "text_feat.npy: 2 all-zero rows" in caplog.text
    assert "1 near-constant columns" in caplog.text


def test_clean_features_are_silent(caplog):
    x = torch.randn(50, 5, generator=torch.Generator().manual_seed(0))
    assert set(report_features(Path("x"), x).values()) == {0}
    assert not caplog.records


@pytest.mark.parametrize("block", [10, 2**22])
def test_rows_of_another_scale(monkeypatch, block):
    monkeypatch.setattr(row_blocks, "BLOCK_VALUES", block)
    x = torch.nn.functional.normalize(
        torch.randn(40, 5, generator=torch.Generator().manual_seed(1))
    )
    x[3], x[20], x[21], x[22] = 0, 1500 * x[20], 10.5 * x[21], 9.5 * x[22]
    x[39] *= 1e-3
    report = feature_report(x)
    assert torch.allclose(report.norms, x.double().norm(dim=1))
    assert report.counts[FAR] == 3
    assert feature_report(torch.zeros(4, 2)).counts[FAR] == 0
