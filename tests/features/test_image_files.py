from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mrdib_graph.errors import DataError
from mrdib_graph.features.image_files import check_image, open_image


def _save(path: Path, size: tuple[int, int] = (40, 30), mode: str = "RGB") -> Path:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (size[1], size[0], 4), dtype=np.uint8)
    Image.fromarray(pixels, "RGBA").convert(mode).save(path)
    return path


@pytest.mark.parametrize(
    ("end", "mode"), [("png", "L"), ("png", "RGBA"), ("jpg", "RGB"), ("gif", "P")]
)
def test_every_mode_is_read_as_rgb(tmp_path: Path, end: str, mode: str) -> None:
    path = _save(tmp_path / f"a.{end}", mode=mode)
    image = open_image(path)
    assert image.mode == "RGB" and image.size == (40, 30)
    assert check_image(path) == path.read_bytes()


@pytest.mark.parametrize("use", [check_image, open_image])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an image that Pillow reads, empty"),
        (b"<html>no</html>", ".*starting b'<html>no'"),
    ],
)
def test_what_is_no_image_is_refused_by_name(
    tmp_path: Path, use: object, content: bytes, message: str
) -> None:
    path = tmp_path / "b.jpg"
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"{path}: {message}"):
        use(path)  # type: ignore[operator]


def test_truncated_image_is_refused_by_name(tmp_path: Path) -> None:
    path = _save(tmp_path / "c.jpg", size=(200, 200))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert check_image(path)  # its first bytes are those of an image
    with pytest.raises(DataError, match=f"{path}: the image is damaged"):
        open_image(path)


def test_absent_file_and_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"d\.png: cannot be read: No such file"):
        check_image(tmp_path / "d.png")
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        check_image(tmp_path)


def test_image_that_would_fill_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _save(tmp_path / "e.png", size=(60, 60))
    for pixels in (2_000, 1_000):  # a warning of Pillow's below twice the limit, an error above
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", pixels)
        with pytest.raises(DataError, match=r"e\.png: refused for its size"):
            open_image(path)
