import pytest

from mrdib_graph.datasets.amazon.sources import PUBLISHED, edition, folder_name, raw_files
from mrdib_graph.errors import ConfigError


@pytest.mark.parametrize(
    ("year", "category", "name"),
    [
        (2014, "Baby", "amazon-baby"),
        (2014, "Sports_and_Outdoors", "amazon-sports"),
        (2014, "Clothing_Shoes_and_Jewelry", "amazon-clothing"),
        (2014, "Electronics", "amazon-electronics"),
        (2014, "Toys_and_Games", "amazon-toys_and_games"),
        (2023, "Video_Games", "amazon-2023-video_games"),
    ],
)
def test_names(year, category, name):
    assert folder_name(year, category) == name


@pytest.mark.parametrize("category", ["", "../Baby", "Baby/..", "a b", "Baby?x", 3])
def test_a_category_cannot_leave_its_address(category):
    with pytest.raises(ConfigError, match="category: got"):
        folder_name(2014, category)


def test_files_of_2014():
    files = raw_files(2014, "Baby", reviews=False, images=True)
    assert {part: file.path for part, file in files.items()} == {
        "interactions": "categoryFiles/ratings_Baby.csv",
        "metadata": "categoryFiles/meta_Baby.json.gz",
        "images": "image_features/categoryFiles/image_features_Baby.b",
    }
    assert files["interactions"].checksum == PUBLISHED["Baby"].checksum
    files = raw_files(2014, "Baby", reviews=True, images=False)
    assert files["interactions"].path == "categoryFiles/reviews_Baby_5.json.gz"
    assert files["interactions"].checksum is None and "images" not in files


def test_files_of_2023():
    files = raw_files(2023, "Video_Games", reviews=False, images=True)
    assert {part: file.path for part, file in files.items()} == {
        "interactions": "benchmark/5core/rating_only/Video_Games.csv.gz",
        "metadata": "raw/meta_categories/meta_Video_Games.jsonl.gz",
    }
    assert files["interactions"].checksum.startswith("a2bde5f3")
    assert raw_files(2023, "Baby", False, False)["interactions"].checksum is None
    with pytest.raises(ConfigError, match="the 2023 edition has no 'reviews'"):
        raw_files(2023, "Video_Games", reviews=True, images=False)


def test_an_unknown_edition():
    with pytest.raises(ConfigError, match="edition: got 2018, expected one of 2014, 2023"):
        edition(2018)
