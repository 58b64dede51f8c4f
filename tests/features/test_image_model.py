import importlib
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from mrdib_graph.errors import ConfigError, DataError, MissingExtraError
from mrdib_graph.features import encode_images, image_model


def _loads(library: str) -> bool:
    """Whether the library is there and fits this torch: torchvision's builds often do not."""
    try:
        importlib.import_module(library)
    except (ImportError, RuntimeError):
        return False
    return True


needs_torchvision = pytest.mark.skipif(
    not _loads("torchvision"), reason="no torchvision that fits this torch (extra 'vision')"
)
needs_timm = pytest.mark.skipif(
    not _loads("timm"), reason="no timm with a torchvision that fits this torch (extra 'vision')"
)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 255, (80, 100, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    return tmp_path / "a.png"


@needs_torchvision
def test_torchvision_row_is_what_the_classifier_reads(picture: Path, tmp_path: Path) -> None:
    from torchvision import models

    torch.manual_seed(0)
    network = models.resnet18(weights=None).eval()
    torch.save(network.state_dict(), tmp_path / "w.pth")
    features = encode_images(
        [picture], "torchvision:resnet18", weights=tmp_path / "w.pth", cache=False, quiet=True
    )
    prepare = models.ResNet18_Weights.DEFAULT.transforms()
    with torch.no_grad(), Image.open(picture) as image:
        expected = network(prepare(image.convert("RGB"))[None])
        found = network.fc(features.x)
    torch.testing.assert_close(found, expected)
    assert features.x.shape == (1, 512)
    assert features.provenance.version.startswith("torchvision ")


@needs_timm
def test_timm_row_is_what_the_classifier_reads(picture: Path, tmp_path: Path) -> None:
    import timm
    from safetensors.torch import save_file

    torch.manual_seed(0)
    network = timm.create_model("resnet18", pretrained=False).eval()
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    features = encode_images(
        [picture], "timm:resnet18", weights=tmp_path / "w.safetensors", cache=False, quiet=True
    )
    config = timm.data.resolve_model_data_config(network)
    prepare = timm.data.create_transform(**config, is_training=False)
    with torch.no_grad(), Image.open(picture) as image:
        expected = network(prepare(image.convert("RGB"))[None])
        found = network.get_classifier()(features.x)
    torch.testing.assert_close(found, expected)
    assert features.provenance.weights_digest is not None


@needs_torchvision
@pytest.mark.parametrize("name", ["resnet81", "fcn_resnet50"])
def test_unknown_torchvision_name_is_refused(picture: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "w.pth").write_bytes(b"x")
    with pytest.raises(ConfigError, match=f"torchvision has no network '{name}'; did you mean"):
        encode_images([picture], f"torchvision:{name}", weights=tmp_path / "w.pth", cache=False)


@needs_timm
def test_unknown_timm_name_is_refused(picture: Path, tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_bytes(b"x")
    with pytest.raises(ConfigError, match="timm has no network 'resnet19'; did you mean"):
        encode_images([picture], "timm:resnet19", weights=tmp_path / "w.pth", cache=False)


@pytest.mark.parametrize("encoder", ["resnet50", "timm:", "keras:vgg", 3, "efficientnet"])
def test_unknown_encoder_is_refused(picture: Path, encoder: Any) -> None:
    with pytest.raises(ConfigError, match="expected 'efficientnet-lite0', 'torchvision:NAME' or"):
        encode_images([picture], encoder)


def test_weights_must_be_named(picture: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="without one the network is random"):
        encode_images([picture], "timm:resnet18")
    with pytest.raises(DataError, match=r"w\.pth: there is no such file"):
        encode_images([picture], "timm:resnet18", weights=tmp_path / "w.pth")
    with pytest.raises(ConfigError, match="brings its own"):
        encode_images([picture], "efficientnet-lite0", weights=picture)


def test_absent_library_names_the_extra(picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"needs .*'timm'.*mrdib-graph\[vision\]"):
        encode_images([picture], "timm:resnet18", weights=picture)
    with pytest.raises(MissingExtraError, match=r"needs .*mrdib-graph\[images\]"):
        encode_images([picture])


def test_library_built_for_another_torch_is_refused(
    picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(name: str) -> None:
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(image_model.importlib.util, "find_spec", lambda _: object())
    monkeypatch.setattr(image_model.importlib, "import_module", fails)
    with pytest.raises(ConfigError, match="nms does not exist.*build of torchvision"):
        encode_images([picture], "timm:resnet18", weights=picture)
