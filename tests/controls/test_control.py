import pytest
import torch

from mrdib_graph import controls
from mrdib_graph.backbones import VBPR
from mrdib_graph.controls import Control
from mrdib_graph.controls.control import id_rows, replace_item_rows
from mrdib_graph.errors import ConfigError
from mrdib_graph.loader import TripletLoader
from mrdib_graph.recommender import Recommender
from mrdib_graph.resolver import choices

ALL = sorted((n, cls) for n, cls in choices(controls, Control).items() if cls is not Control)
NEUTRAL = {
    "contentloss": {"weight": 0.0},
    "iddropout": {"p": 0.0},
    "modalitydropout": {"p": 0.0},
    "noise": {"std": 0.0},
    "splitl2": {"weight": 0.0},
}


def test_names_resolve_to_every_control():
    assert {name for name, _ in ALL} == {*NEUTRAL, "nocontent"}


def test_the_base_changes_nothing_and_adds_nothing(rows):
    control = Control(["image"])
    assert control.perturb(rows) is rows
    assert control.loss(rows, lambda _: torch.zeros(()), None) == {}
    assert control.modalities == ["image"] and not control.loss_weights


def test_replace_item_rows_leaves_the_given_rows_as_they_are(rows):
    new = replace_item_rows(rows, {"image": torch.ones(400, 6)})
    assert new["item"]["image"].eq(1).all() and not rows["item"]["image"].eq(1).any()
    assert new["user"] is rows["user"] and new["item"]["text"] is rows["item"]["text"]


def test_id_rows_names_what_is_there(rows):
    assert id_rows(rows["item"], Control([])) is rows["item"]["id"]
    with pytest.raises(ConfigError, match="Control needs a backbone with rows named 'id'.*image"):
        id_rows({"image": rows["item"]["image"]}, Control([]))


@pytest.mark.parametrize(("name", "cls"), ALL)
def test_inputs_are_never_written_to(rows, name, cls):
    before = {t: {m: x.clone() for m, x in of_type.items()} for t, of_type in rows.items()}
    cls(["image", "text"]).perturb(rows, torch.Generator().manual_seed(0))
    assert all(torch.equal(rows[t][m], before[t][m]) for t in rows for m in rows[t])
    assert {t: list(of_type) for t, of_type in rows.items()} == {
        t: list(of_type) for t, of_type in before.items()
    }


@pytest.mark.parametrize(("name", "cls"), ALL)
def test_a_missing_row_stays_zero_in_training_and_evaluation(rows, name, cls):
    control = cls(["image", "text"])
    for training in (True, False):
        out = control.train(training).perturb(rows, torch.Generator().manual_seed(0))
        assert not out["item"]["text"][1].any()


@pytest.mark.parametrize(("name", "cls"), ALL)
def test_evaluation_is_the_backbone_itself(tiny, name, cls):
    torch.manual_seed(0)
    backbone = VBPR.from_data(tiny, embedding_dim=6)
    with_control = Recommender(backbone, control=cls(backbone.modalities)).tables(tiny)
    bare = Recommender(backbone).tables(tiny)
    equal = all(torch.equal(a, b) for a, b in zip(with_control, bare, strict=True))
    assert equal == (name != "nocontent")


@pytest.mark.parametrize(("name", "options"), NEUTRAL.items())
def test_a_control_of_strength_zero_trains_the_bare_backbone(tiny, name, options):
    torch.manual_seed(0)
    backbone = VBPR.from_data(tiny, embedding_dim=6)
    batch = next(iter(TripletLoader(tiny, 16)))
    control = dict(ALL)[name](backbone.modalities, **options)
    terms = Recommender(backbone, control=control).loss(tiny, batch, torch.Generator())
    assert set(terms) == {"ranking"}
    torch.testing.assert_close(terms["ranking"], Recommender(backbone).loss(tiny, batch)["ranking"])


@pytest.mark.parametrize(("name", "cls"), ALL)
def test_same_generator_same_bits(rows, name, cls):
    control = cls(["image", "text"])
    first, again = (control.perturb(rows, torch.Generator().manual_seed(9)) for _ in range(2))
    assert all(torch.equal(first[t][m], again[t][m]) for t in rows for m in rows[t])
