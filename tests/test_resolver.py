"""Names to classes, options against signatures."""

from pathlib import Path

import pytest

from mrdib_graph import backbones, losses, resolver
from mrdib_graph.backbones import LATTICE, Backbone, LightGCN
from mrdib_graph.errors import ConfigError, suggest
from mrdib_graph.losses import BPRLoss, RankingLoss
from mrdib_graph.testing import tiny_data


def find(query):
    return resolver.resolve_class(query, backbones, Backbone, "backbone")


@pytest.mark.parametrize("query", ["lightgcn", "LightGCN", "light_gcn", "Light-GCN", "light gcn"])
def test_case_and_separators_do_not_matter(query: str) -> None:
    assert find(query) is LightGCN
    assert resolver.key(query) == "lightgcn"


def test_a_class_is_itself() -> None:
    class Mine(LightGCN):
        pass

    assert find(Mine) is Mine
    with pytest.raises(ConfigError, match="backbone: dict is not a subclass of Backbone"):
        find(dict)


def test_choices_are_the_concrete_exports() -> None:
    assert set(resolver.choices(backbones, Backbone)) >= {"lattice", "lightgcn", "vbpr"}
    assert "backbone" not in resolver.choices(backbones, Backbone)  # abstract
    assert "step" not in resolver.choices(backbones, Backbone)


def test_a_mistake_lists_the_choices_and_the_nearest() -> None:
    with pytest.raises(ConfigError) as error:
        find("latice")
    text = str(error.value)
    assert "'latice' is unknown; did you mean 'lattice'? Choices: " in text
    assert "lightgcn" in text and "vbpr" in text and "file.py:Class" in text
    with pytest.raises(ConfigError, match=r"'xyzzy' is unknown\. Choices: "):
        find("xyzzy")


OWN = """
from __future__ import annotations
from dataclasses import dataclass
from mrdib_graph.backbones import LightGCN

@dataclass
class Options:
    depth: int = 1

class Mine(LightGCN):
    depth = Options().depth
"""


def test_a_class_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    path.write_text(OWN)
    found = find(f"{path}:Mine")
    assert found.__name__ == "Mine" and issubclass(found, LightGCN)
    assert found.from_data(tiny_data(), num_layers=1).num_users == 30


def test_a_file_does_not_hide_a_module_of_the_same_name(tmp_path: Path) -> None:
    import json

    path = tmp_path / "json.py"
    path.write_text(OWN)
    find(f"{path}:Mine")
    import json as again

    assert again is json and hasattr(again, "loads")


def test_mistakes_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    with pytest.raises(ConfigError, match="own.py does not exist"):
        find(f"{path}:Mine")
    path.write_text(OWN)
    with pytest.raises(ConfigError, match="no Backbone named 'Yours'; it has: LightGCN, Mine"):
        find(f"{path}:Yours")
    with pytest.raises(ConfigError, match="no Backbone named 'Options'"):
        find(f"{path}:Options")
    path.write_text("import no_such_package")
    with pytest.raises(ConfigError, match="cannot be imported: ModuleNotFoundError"):
        find(f"{path}:Mine")
    path.write_text("class Mine(:")
    with pytest.raises(ConfigError, match="cannot be imported: SyntaxError"):
        find(f"{path}:Mine")


def test_options_are_checked() -> None:
    data = tiny_data()
    assert LATTICE.from_data(data, k=3, mix=0.5).k == 3
    with pytest.raises(ConfigError, match="LATTICE: option 'num_layer' is unknown; did you mean "):
        LATTICE.from_data(data, num_layer=3)
    with pytest.raises(ConfigError, match=r"option 'zzz' is unknown\. Options: .*num_users, "):
        LATTICE.from_data(data, zzz=3)
    with pytest.raises(ConfigError, match="option 'num_items' follows from the data"):
        LATTICE.from_data(data, num_items=3)


def test_a_signature_with_free_keywords_takes_every_option() -> None:
    def anything(a: int, **rest: int) -> dict[str, int]:
        return {"a": a, **rest}

    assert resolver.build(anything, {"b": 2}, "thing", a=1) == {"a": 1, "b": 2}


def test_suggest_is_empty_without_a_near_name() -> None:
    assert suggest("abc", ["abd"]) == "; did you mean 'abd'?"
    assert suggest("abc", ["xyz"]) == ""


def test_the_last_word_of_the_base_may_be_left_out() -> None:
    for query in ("bpr", "BPR", "bpr_loss", "BPRLoss"):
        assert resolver.resolve_class(query, losses, RankingLoss, "ranking_loss") is BPRLoss
    assert list(resolver.choices(losses, RankingLoss))[:2] == ["bce", "bpr"]
    assert resolver.short_key("MyLoss", dict) == "myloss" and find("lightgcn backbone") is LightGCN
    with pytest.raises(ConfigError, match="'bpt' is unknown; did you mean 'bpr'"):
        resolver.resolve_class("bpt", losses, RankingLoss, "ranking_loss")


def test_an_instance_from_a_name_a_class_or_itself() -> None:
    def make(query: object, **options: object) -> RankingLoss:
        return resolver.make(query, losses, RankingLoss, "ranking_loss", options)

    made = make("bpr", log2=True)
    assert isinstance(made, BPRLoss) and make(made) is made
    assert isinstance(make(BPRLoss), BPRLoss)
    with pytest.raises(ConfigError, match="ranking_loss: options go with a name or a class"):
        make(made, log2=True)
    with pytest.raises(ConfigError, match="ranking_loss: option 'log' is unknown; did you mean"):
        make("bpr", log=True)
    with pytest.raises(ConfigError, match="ranking_loss: got 3, expected a name, a class or"):
        make(3)
