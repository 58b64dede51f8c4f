import importlib.util
import sys

import pytest

from mrdib_graph.datasets import recbole_example
from mrdib_graph.datasets.conversion.recbole_example import VARIABLE
from mrdib_graph.errors import DataError


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package ``recbole`` that must not be imported, with two folders of example data."""
    root = tmp_path / "site" / "recbole"
    for name in ("ml-100k", "empty"):
        (root / "dataset_example" / name).mkdir(parents=True)
    (root / "__init__.py").write_text("raise SystemExit('was imported')\n")
    (root / "dataset_example/ml-100k/ml-100k.inter").write_text("user_id:token\titem_id:token\n")
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(sys, "path", [str(root.parent), *sys.path])
    importlib.invalidate_caches()
    return root / "dataset_example"


def test_the_installed_package_is_found_and_not_imported(package):
    assert recbole_example() == recbole_example("ml-100k") == package / "ml-100k"
    assert "recbole" not in sys.modules


def test_the_variable_wins_over_the_package(package, tmp_path, monkeypatch):
    (tmp_path / "own" / "shop").mkdir(parents=True)
    (tmp_path / "own/shop/shop.inter").write_text("")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "own"))
    assert recbole_example("shop") == tmp_path / "own" / "shop"
    with pytest.raises(DataError, match=rf"'ml-100k' of recbole: not found \({tmp_path}/own\)"):
        recbole_example()


@pytest.mark.parametrize("name", ["empty", "absent", "../dataset_example/ml-100k", "", "..", "a:b"])
@pytest.mark.usefixtures("package")
def test_what_is_not_there_is_refused(name):
    with pytest.raises(DataError, match="not found .*pip install --no-deps recbole .*RECBOLE_DATA"):
        recbole_example(name)


def test_without_the_package(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(DataError, match="no package recbole, and RECBOLE_DATA is not set"):
        recbole_example()
