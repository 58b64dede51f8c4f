import numpy as np
import pytest
import torch

from mrdib_graph.errors import ConfigError
from mrdib_graph.plotting import data_overview

DEGREES = {"users": torch.tensor([1, 1, 2, 4]), "items": torch.tensor([0, 3, 5])}
NORMS = {"text": torch.tensor([1.0, 1.0, 0.0]), "image": torch.tensor([10.0, 100.0, 1000.0])}
COVERAGE = {"text": (0.75, 0.25), "image": (0.5, 0.0)}


def test_degrees_are_the_share_with_at_least_as_many() -> None:
    axis = data_overview(DEGREES, COVERAGE, NORMS).axes[0]
    users, items = axis.get_lines()
    assert np.allclose(users.get_xydata(), [[1, 1.0], [2, 0.5], [4, 0.25]])
    assert np.allclose(items.get_xydata(), [[3, 2 / 3], [5, 1 / 3]])
    assert (axis.get_xscale(), axis.get_yscale()) == ("log", "log")
    texts = [text.get_text() for text in axis.get_legend().get_texts()]
    assert texts == ["users", "items (1 without)"]


def test_bars_are_the_coverage_and_the_zero_rows_in_it() -> None:
    axis = data_overview(DEGREES, COVERAGE, NORMS).axes[1]
    bars = [(bar.get_x(), bar.get_width()) for bar in axis.patches]
    assert bars == [(0, 0.5), (0, 0.5), (0.5, 0.25), (0.5, 0.0)]
    assert [text.get_text() for text in axis.texts] == ["75.0 %", "50.0 %"]
    assert [tick.get_text() for tick in axis.get_yticklabels()] == ["text", "image"]


def test_histograms_hold_each_row_that_is_not_zero() -> None:
    axis = data_overview(DEGREES, COVERAGE, NORMS).axes[2]
    text, image = (patch.get_data() for patch in axis.patches)
    assert text.values.sum() == pytest.approx(1) and image.values.sum() == pytest.approx(1)
    full = np.flatnonzero(text.values)
    assert len(full) == 1 and text.edges[full[0]] <= 1.0 <= text.edges[full[0] + 1]
    assert np.count_nonzero(image.values) == 3 and axis.get_xscale() == "log"


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_rows_of_one_norm_and_of_none(value: float) -> None:
    norms = {"text": torch.full((3,), value)}
    axis = data_overview(DEGREES, {"text": (1.0, 1.0 - value)}, norms).axes[2]
    assert len(axis.patches) == value


def test_without_modalities_there_is_one_panel(tmp_path) -> None:
    figure = data_overview(DEGREES, {}, {})
    assert len(figure.axes) == 1
    figure.savefig(tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_bad_input_is_named() -> None:
    with pytest.raises(ConfigError, match="norms: got text, expected text, image"):
        data_overview(DEGREES, COVERAGE, {"text": NORMS["text"]})
    with pytest.raises(ConfigError, match="items are empty"):
        data_overview({"items": torch.tensor([])}, {}, {})
    with pytest.raises(ConfigError, match="all are empty"):
        data_overview({}, {}, {})
