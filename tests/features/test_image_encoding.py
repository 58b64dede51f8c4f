from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from mrdib_graph.errors import ConfigError, DataError
from mrdib_graph.features import encode_images, image_encoding
from mrdib_graph.features.image_model import ImageModel

COLOURS = [(255, 0, 0), (0, 128, 0), (0, 0, 64), (9, 9, 9), (200, 100, 50)]


class MeanColour(nn.Module):
    """Mean of each channel [B, 3, 1, 1], and a count of the batches seen."""

    sizes: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        self.sizes.append(x.size(0))
        assert not self.training and not torch.is_grad_enabled()
        return x.mean((2, 3), keepdim=True)


def _prepare(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.asarray(image, dtype=np.float32).copy()).permute(2, 0, 1)


@pytest.fixture
def mean_colour(monkeypatch: pytest.MonkeyPatch) -> type[MeanColour]:
    """Every encoder is MeanColour: batches, mask, cache and record without a real network."""

    def model(encoder: str, weights: object) -> ImageModel:
        return ImageModel("made-up 1", "f" * 64, "mean", lambda: (MeanColour(), _prepare))

    monkeypatch.setattr(image_encoding, "image_model", model)
    monkeypatch.setattr(MeanColour, "sizes", [])
    return MeanColour


@pytest.fixture
def paths(tmp_path: Path) -> list[Path | None]:
    """Images of one colour each, and a missing one in between."""
    out: list[Path | None] = []
    for number, colour in enumerate(COLOURS):
        out.append(tmp_path / f"{number}.png")
        Image.new("RGB", (8, 8), colour).save(tmp_path / f"{number}.png")
    out.insert(2, None)
    return out


def test_rows_are_the_images_in_order(mean_colour: type[MeanColour], paths: list[Path]) -> None:
    features = encode_images(paths, batch_size=2, cache=False, quiet=True)
    torch.testing.assert_close(features.x, torch.tensor(COLOURS, dtype=torch.float32))
    assert features.mask.tolist() == [True, True, False, True, True, True]
    assert mean_colour.sizes == [2, 2, 1]
    record = features.provenance
    assert (record.version, record.pooling, record.dimension) == ("made-up 1", "mean", 3)
    assert record.missing_items == (2,) and record.weights_digest == "f" * 64


def test_cache_follows_bytes_not_names(
    mean_colour: type[MeanColour], paths: list[Path | None], tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    first = encode_images(paths, cache=cache, quiet=True)
    moved = [None if p is None else p.rename(p.with_name(f"moved{p.name}")) for p in paths]
    again = encode_images([None if p is None else str(p) for p in moved], cache=cache, quiet=True)
    assert len(mean_colour.sizes) == 1 and again.provenance == first.provenance
    assert moved[0] is not None
    Image.new("RGB", (8, 8), (1, 2, 3)).save(moved[0])
    other = encode_images(moved, cache=cache, quiet=True)
    assert len(mean_colour.sizes) == 2
    assert other.x[0].tolist() == [1, 2, 3]
    assert other.provenance.input_digest != first.provenance.input_digest


def test_bad_file_is_found_before_the_network_runs(
    mean_colour: type[MeanColour], paths: list[Path], tmp_path: Path
) -> None:
    bad = tmp_path / "page.jpg"
    bad.write_text("<html>")
    with pytest.raises(DataError, match=r"page\.jpg: not an image"):
        encode_images([*paths, bad], cache=False, quiet=True)
    assert not mean_colour.sizes


def test_quiet_prints_nothing(
    mean_colour: type[MeanColour], paths: list[Path], capfd: pytest.CaptureFixture[str]
) -> None:
    encode_images(paths, cache=False, quiet=True)
    assert capfd.readouterr() == ("", "")
    encode_images(paths, cache=False)
    assert "5/5" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("a.png", "paths: got 'a.png', expected a list"),
        (Path("a.png"), "paths: got PosixPath"),
        ([], "the list is empty"),
        ([None, 3], r"paths\[1\]: got 3 of type int"),
        ([""], r"paths\[0\]: got ''"),
    ],
)
def test_wrong_paths_are_refused(given: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        encode_images(given)


def test_nothing_but_missing_images_is_refused() -> None:
    with pytest.raises(DataError, match="all 2 are None"):
        encode_images([None, None])


@pytest.mark.parametrize("option", [{"batch_size": -1}, {"device": "abacus"}])
def test_wrong_options_are_refused(option: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(option))):
        encode_images(["a.png"], **option)
