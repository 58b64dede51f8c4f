import math

import pytest
import torch

from mrdib_graph.errors import ConfigError, DataError
from mrdib_graph.information.sources import (
    check_codes,
    make_source,
    principal_directions,
    select_modalities,
)


def tables(generator, d=40):
    user = torch.randn(50, d, generator=generator) * torch.linspace(0.2, 2, d)
    item = torch.randn(30, d, generator=generator) + 1
    q = torch.rand(30, generator=generator, dtype=torch.float64)
    return user, item, q / q.sum()


def test_items_are_centred_and_missing_rows_are_zero(generator):
    user, item, q = tables(generator)
    present = torch.arange(30) != 4
    source = make_source(user, item, q, present, 64)
    assert torch.equal(source.item[4], torch.zeros(40, dtype=torch.float64))
    assert float((q @ source.item).abs().max()) < 1e-12
    difference = item[7].double() - item[9].double()
    assert torch.allclose(source.item[7] - source.item[9], difference)
    assert source.kept == 40 and not source.empty


def test_equal_item_rows_are_empty(generator):
    user, item, q = tables(generator)
    assert make_source(user, item[:1].expand(30, -1), q, None, 64).empty
    assert make_source(torch.zeros_like(user), item, q, None, 64).empty


def test_principal_directions_keep_every_score(generator):
    user, item, q = (t.double() for t in tables(generator))
    item = item - q @ item
    new_user, new_item = principal_directions(user, item, q)
    assert torch.allclose(new_user @ new_item.T, user @ item.T)
    products = (new_user.square().mean(0)) * (q @ new_item.square())
    assert bool((products.diff() <= 1e-9).all())  # the variance that a direction carries
    moment = new_user.T @ new_user / 50
    assert torch.allclose(moment, torch.diag(moment.diagonal()), atol=1e-9)


def test_principal_directions_ignore_a_map_that_keeps_scores(generator):
    user, item, q = (t.double() for t in tables(generator))
    turn = torch.randn(40, 40, generator=generator, dtype=torch.float64) + 8 * torch.eye(40)
    one = principal_directions(user, item, q)
    other = principal_directions(user @ turn, item @ torch.linalg.inv(turn).T, q)
    products = [u[3] * i[5] for u, i in (one, other)]
    assert torch.allclose(products[0][:20], products[1][:20], atol=1e-7)


def test_wide_codes_keep_the_first_directions(generator):
    user, item, q = tables(generator)
    source = make_source(user, item, q, None, 8)
    assert source.kept == 8
    centred = item.double() - q @ item.double()
    assert torch.allclose(source.user @ source.item.T, user.double() @ centred.T)


def test_a_good_set_of_codes_passes(codes, data):
    check_codes(codes, data)


def broken(codes, side, name, table):
    out = {s: dict(t) for s, t in codes.items()}
    out[side][name] = table
    return out


def test_refused_codes(codes, data):
    text = codes["item"]["text"]
    nan = text.clone()
    nan[3, 2] = math.nan
    with pytest.raises(DataError, match="1 values of 'text' of items are NaN"):
        check_codes(broken(codes, "item", "text", nan), data)
    with pytest.raises(DataError, match=r"'text' of items has shape \(299, 12\), expected \[300"):
        check_codes(broken(codes, "item", "text", text[:-1]), data)
    with pytest.raises(DataError, match="'text' is 12 wide for users and 5 for items"):
        check_codes(broken(codes, "item", "text", text[:, :5]), data)
    with pytest.raises(DataError, match="give both sides of every name"):
        check_codes(broken(codes, "item", "id", text), data)
    with pytest.raises(DataError, match="codes: 'user' is missing"):
        check_codes({"item": codes["item"]}, data)


def test_names(codes, data):
    with_id = broken(broken(codes, "item", "id", None), "user", "id", None)
    assert select_modalities(with_id, data, None) == (["image", "text", "audio"], ["id"])
    assert select_modalities(with_id, data, ["text", "image"]) == (["text", "image"], ["id"])
    with pytest.raises(ConfigError, match="'txt' has no codes; did you mean 'text'?"):
        select_modalities(codes, data, ["txt"])
    with pytest.raises(ConfigError, match="a name comes twice"):
        select_modalities(codes, data, ["text", "text"])
    own = {side: {"id": codes[side]["text"]} for side in codes}
    with pytest.raises(DataError, match="none of id is a modality of the graph"):
        select_modalities(own, data, None)
