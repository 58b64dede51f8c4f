"""A public check for anybody's backbone."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from importlib import import_module
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.nn import Module

from mrdib_graph import graph
from mrdib_graph.backbones import Backbone, take_rows
from mrdib_graph.errors import ConfigError
from mrdib_graph.mrdib import MRdIB
from mrdib_graph.recommender import Recommender
from mrdib_graph.testing.backbone_run import BackboneRun, entries, every_node
from mrdib_graph.testing.largest_tensor import LargestTensor
from mrdib_graph.testing.tiny_data import tiny_data
from mrdib_graph.typing import Rows

_MODALITIES = ("image", "text", "audio")


def check_backbone(backbone_class: type[Backbone], **options: Any) -> None:
    """Check what training, evaluation and MRdIB take for granted of a backbone.

    On :func:`~mrdib_graph.testing.tiny_data`, which holds a user and an item without interactions,
    identical feature rows, a zero row and an item that lacks a modality:

    * terms, gradients and tables are finite with one, two and three modalities and with one and
      several sampled items; ``prepare`` leaves the given graph as it was;
    * the tables are equal under two calls, and computing them does not change the training;
    * rows of ``encode_rows`` are the rows of ``encode``; ``fuse`` works row by row, and where
      ``rowwise`` is True ``propagate`` changes nothing;
    * ``fuse`` reads its rows and the weights, and nothing that an ``encode`` of other data left;
    * one seed gives one loss, to the bit; a run that is stopped inside an epoch and loaded into a
      fresh object goes on to the same bits; so does a ``copy.deepcopy``;
    * renumbering the items renumbers their scores;
    * MRdIB with deterministic identity codes gives the bare backbone to 1e-6, and is refused where
      there is no modality;
    * no tensor of U x U or I x I values is made; a change of device leaves no tensor behind.

    Takes about a second.

    Args:
        backbone_class: The class to check, built by its ``from_data``.
        options: Options of the class; ``embedding_dim`` is 8 where absent.

    Raises:
        AssertionError: A check fails; the message says which and shows the values.
        ConfigError: A function returns something else than it should.
    """
    with torch.random.fork_rng(devices=[]):
        for count in range(1, len(_MODALITIES) + 1):
            _check_finite(backbone_class, options, _MODALITIES[:count])
        _check_tables(backbone_class, options)
        _check_rows(backbone_class, options)
        _check_fuse(backbone_class, options)
        _check_seed(backbone_class, options)
        _check_resume(backbone_class, options)
        _check_copy(backbone_class, options)
        _check_renumbering(backbone_class, options)
        _check_identity_codes(backbone_class, options)
        _check_sizes(backbone_class, options)
        _check_device(backbone_class, options)


def _check_finite(
    cls: type[Backbone], options: dict[str, Any], modalities: tuple[str, ...]
) -> None:
    where = f"with {len(modalities)} modalities"
    data = tiny_data(modalities=modalities)
    before = entries(data)
    run = BackboneRun(cls, data, options)
    changed = sorted(name for name, _ in before.items() ^ entries(data).items())
    assert not changed, f"prepare changes the graph it is given: {changed[0]}; it must copy first"
    run.begin_epoch()
    for num_negatives in (1, 3):
        run.optimizer.zero_grad()
        torch.autograd.backward(run.loss(every_node(data, num_negatives)))
        grads = {n: p.grad for n, p in run.backbone.named_parameters() if p.grad is not None}
        bad = [name for name, grad in grads.items() if not bool(grad.isfinite().all())]
        assert not bad, f"the gradient of {', '.join(bad)} is not finite {where}"
        assert any(bool(grad.any()) for grad in grads.values()), f"no gradient at all {where}"
    run.steps(run.batches[:2])
    user, item = run.tables()
    sizes = (graph.num_users(data), graph.num_items(data))
    assert (user.size(0), item.size(0)) == sizes and user.size(1) == item.size(1), (
        f"tables have shapes {tuple(user.shape)} and {tuple(item.shape)} {where}, expected [U, w] "
        f"and [I, w] with U, I = {sizes}"
    )
    assert bool(user.isfinite().all() and item.isfinite().all()), f"a table is not finite {where}"


def _check_tables(cls: type[Backbone], options: dict[str, Any]) -> None:
    run, other = (BackboneRun(cls, tiny_data(), options) for _ in range(2))
    for each in (run, other):
        each.begin_epoch()
        each.steps(each.batches[:2])
    first, second = run.tables(), run.tables()
    assert _equal(first, second), "two calls give different tables: no noise in eval mode"
    assert run.recommender.training, "computing the tables leaves the eval mode on"
    losses = [each.steps(each.batches[2:4]) for each in (run, other)]
    assert losses[0] == losses[1], (
        f"computing the tables inside an epoch changes its losses from {losses[1]} to {losses[0]}"
    )


def _check_rows(cls: type[Backbone], options: dict[str, Any]) -> None:
    data = tiny_data(modalities=_MODALITIES)
    run = BackboneRun(cls, data, options)
    run.begin_epoch()
    run.steps(run.batches[:1])
    backbone = run.backbone.eval()
    users, items = torch.tensor([29, 0, 3, 3]), torch.tensor([39, 2, 3, 0, 1, 2, 7, 7])
    tables = backbone.encoded(run.data)
    rows, expected = backbone.encoded(run.data, users, items), take_rows(tables, users, items)
    index = {graph.USER: users, graph.ITEM: items}
    for node_type in index:
        of_type = expected[node_type]
        assert of_type.keys() == rows[node_type].keys(), (
            f"encode has the names {list(of_type)}, encode_rows {list(rows[node_type])}"
        )
        for name, value in of_type.items():
            _close(rows[node_type][name], value, f"encode_rows of {node_type} '{name}'", 1e-5)
        full = backbone.fused(tables[node_type], node_type)
        rows_out = backbone.fused(of_type, node_type).out
        _close(rows_out, full.out[index[node_type]], f"fuse of {node_type} rows", 1e-5)
        if backbone.rowwise:
            after = backbone.propagate(full, node_type, run.data).out
            _close(after, full.out, f"rowwise is True, and propagate changes {node_type} rows", 0)
    names = {node_type: list(expected[node_type]) for node_type in index}
    assert all("id" in found for found in names.values()) == backbone.has_ids, (
        f"has_ids is {backbone.has_ids}, and the names of encode are {names}"
    )
    missing = [m for m in backbone.modalities if m not in expected[graph.ITEM]]
    assert not missing, f"encode gives no item rows of the modality '{missing[:1]}'"


def _check_fuse(cls: type[Backbone], options: dict[str, Any]) -> None:
    run = BackboneRun(cls, tiny_data(modalities=_MODALITIES), options)
    other = run.backbone.prepare(tiny_data(modalities=_MODALITIES, seed=1))

    def fused(rows: Rows, node_type: str) -> tuple[Tensor, ...]:
        torch.manual_seed(0)  # of a dropout
        found = run.backbone.fused(rows, node_type)
        return tuple(x.detach() for x in (found.out, *found.views.values()))

    for training in (True, False):
        run.begin_epoch()
        run.backbone.train(training)
        rows = run.backbone.encoded(run.data)
        before = {t: fused(rows[t], t) for t in (graph.USER, graph.ITEM)}
        run.backbone.encoded(other)
        for node_type, expected in before.items():
            assert _equal(expected, fused(rows[node_type], node_type)), (
                f"fuse of the same {node_type} rows gives other values after encode of other data: "
                "let encode return what fuse reads, as rows"
            )


def _check_seed(cls: type[Backbone], options: dict[str, Any]) -> None:
    losses = []
    for _ in range(2):
        run = BackboneRun(cls, tiny_data(), options)
        run.begin_epoch()
        losses.append(run.steps(run.batches))
    assert losses[0] == losses[1], f"one seed gave the losses {losses[0]} and {losses[1]}"


def _check_resume(cls: type[Backbone], options: dict[str, Any]) -> None:
    run = BackboneRun(cls, tiny_data(), options)
    run.begin_epoch()
    run.steps(run.batches)
    run.begin_epoch()
    run.steps(run.batches[:2])
    state = run.state()
    fresh = BackboneRun(cls, tiny_data(), options, seed=9)
    fresh.load(state)
    assert _equal(run.tables(), fresh.tables()), "a loaded state_dict gives other tables"
    losses = [each.steps(each.batches[2:]) for each in (run, fresh)]
    assert losses[0] == losses[1] and _equal(run.tables(), fresh.tables()), (
        f"resumed inside an epoch: losses {losses[1]}, uninterrupted {losses[0]}; keep what an "
        "epoch draws or learns in buffers"
    )


def _check_copy(cls: type[Backbone], options: dict[str, Any]) -> None:
    run = BackboneRun(cls, tiny_data(), options)
    run.begin_epoch()
    run.steps(run.batches[:2])
    other = copy.deepcopy(run)
    tables = run.tables()
    assert _equal(tables, other.tables()), "a deep copy gives other tables"
    losses = other.steps(other.batches[2:])
    assert _equal(tables, run.tables()), "training a deep copy changes the original"
    assert losses == run.steps(run.batches[2:]), "a deep copy trains differently"


def _check_renumbering(cls: type[Backbone], options: dict[str, Any]) -> None:
    # ties and zero rows choose neighbours by item number, so this check leaves them out
    data = tiny_data(duplicate_rows=False, zero_row=False)
    size = graph.num_items(data)
    new_number = torch.randperm(size, generator=torch.Generator().manual_seed(3))
    renumbered = copy.copy(data)
    user, item = data[graph.INTERACTS].edge_index
    renumbered[graph.INTERACTS].edge_index = torch.stack([user, new_number[item]])
    for m in graph.modalities(data):
        node, item = data[graph.describes(m)].edge_index
        renumbered[graph.describes(m)].edge_index = torch.stack([node, new_number[item]])
    run, other = (BackboneRun(cls, each, options) for each in (data, renumbered))
    state = {
        name: _renumber(value, new_number) if value.is_floating_point() else value
        for name, value in run.recommender.state_dict().items()
    }
    other.recommender.load_state_dict(state)
    (user, item), (other_user, other_item) = run.tables(), other.tables()
    _close(other_user, user, "the user table after renumbering the items", 1e-4)
    _close(other_item[new_number], item, "the item table after renumbering the items", 1e-4)


def _check_identity_codes(cls: type[Backbone], options: dict[str, Any]) -> None:
    run = BackboneRun(cls, tiny_data(modalities=_MODALITIES), options)
    bare = copy.deepcopy(run)
    names = run.backbone.modalities
    mrdib = MRdIB(
        names or _MODALITIES,
        run.backbone.embedding_dim,
        alpha_kl=0.0,
        alpha_redundancy=0.0,
        alpha_unique=0.0,
    )
    if not names:
        try:
            Recommender(run.backbone, mrdib)
        except ConfigError:
            return
        raise AssertionError("MRdIB is accepted although the backbone has no modality")
    run.recommender = Recommender(run.backbone, mrdib).train()
    losses = []
    for each in (run, bare):
        each.begin_epoch()
        losses.append(each.loss(every_node(each.data)))
        torch.autograd.backward(losses[-1])
    _close(losses[0], losses[1], "identity codes: the loss", 1e-6)
    for (name, mine), theirs in zip(
        run.backbone.named_parameters(), bare.backbone.parameters(), strict=True
    ):
        one_only = (mine.grad is None) != (theirs.grad is None)
        assert not one_only, f"identity codes: {name} has a gradient with or without MRdIB only"
        if mine.grad is not None and theirs.grad is not None:
            _close(mine.grad, theirs.grad, f"identity codes: the gradient of {name}", 1e-6)
    for table, expected in zip(run.tables(), bare.tables(), strict=True):
        _close(table, expected, "identity codes: a table", 1e-6)


def _check_sizes(cls: type[Backbone], options: dict[str, Any]) -> None:
    users, items = 600, 700
    data = tiny_data(users, items)
    knn_module = import_module("mrdib_graph.nn.knn")  # the package exports a function of this name
    contrastive = import_module("mrdib_graph.losses.contrastive")
    with (
        mock.patch.object(knn_module, "_BLOCK_VALUES", 2**14),
        mock.patch.object(contrastive, "_BLOCK_VALUES", 2**14),
        LargestTensor() as largest,
    ):
        run = BackboneRun(cls, data, options)
        run.begin_epoch()
        run.steps(run.batches[:2])
        run.tables()
    assert largest.num_values < users * users, (
        f"{largest.operation} makes a tensor of shape {largest.shape} with {users} users and "
        f"{items} items: work in blocks or on edges"
    )


def _check_device(cls: type[Backbone], options: dict[str, Any]) -> None:
    run = BackboneRun(cls, tiny_data(), options)
    run.begin_epoch()
    run.steps(run.batches[:2])
    run.tables()
    run.backbone.to("meta")  # stands for any other device
    left = [name for name, tensor in _tensors(run.backbone, "") if tensor.device.type != "meta"]
    assert not left, (
        f"a change of device leaves {', '.join(left)} behind: make them buffers, or forget them "
        "in _apply"
    )


def _tensors(value: Any, name: str) -> Iterator[tuple[str, Tensor]]:
    """Every tensor that is reachable from an object, with the path to it."""
    if isinstance(value, Tensor):
        yield name, value
    elif isinstance(value, dict):
        for key, child in value.items():
            yield from _tensors(child, f"{name}.{key}")
    elif isinstance(value, list | tuple | set):
        for position, child in enumerate(value):
            yield from _tensors(child, f"{name}[{position}]")
    elif isinstance(value, Module) or type(value).__module__.startswith("mrdib_graph"):
        yield from _tensors({k: v for k, v in vars(value).items() if k != "_transpose"}, name)


def _renumber(value: Tensor, new_number: Tensor) -> Tensor:
    """Reorder every dimension that has one entry per item."""
    old_of_new = new_number.argsort()
    for dim, size in enumerate(value.shape):
        if size == new_number.numel():
            value = value.index_select(dim, old_of_new)
    return value


def _equal(one: tuple[Tensor, ...], other: tuple[Tensor, ...]) -> bool:
    return all(map(torch.equal, one, other))


def _close(value: Tensor, expected: Tensor, what: str, tolerance: float) -> None:
    assert value.shape == expected.shape, f"{what}: shape {value.shape}, not {expected.shape}"
    difference = float((value - expected).detach().abs().max())
    scale = max(1.0, float(expected.detach().abs().max()))
    assert difference <= tolerance * scale, f"{what}: differs by {difference:.2e}"
