"""The abstract backbone: graph to embedding tables, and tables to scored rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, NotRequired, Self, TypedDict

import torch
from torch import Tensor
from torch.nn import Embedding, Module, ModuleDict, init
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from mrdib_graph import graph, resolver
from mrdib_graph.errors import ConfigError
from mrdib_graph.nn import Projection
from mrdib_graph.options import Count, checked
from mrdib_graph.subgraph import Sampling
from mrdib_graph.transforms import AlignFeatures
from mrdib_graph.typing import Embeddings, Fused, Placement, Rows, Terms, Triplets

CONTEXT = "context"
"""Key of what ``encode`` gives beside users and items: tensors of any shape, for the losses."""


class Sizes(TypedDict):
    """What the library gives to the constructor of every backbone, read off the graph.

    ``num_users`` U, ``num_items`` I, ``in_channels`` the raw feature width d_m of each modality,
    whose keys are the modalities, and ``embedding_dim`` d.
    """

    num_users: Count
    num_items: Count
    in_channels: Mapping[str, Count]
    embedding_dim: NotRequired[Count]


class Step(NamedTuple):
    """What a training step has computed when a backbone's own loss terms are asked for.

    Shapes:
        ``rows`` holds one row per distinct user and item of the batch, and the ``'context'`` of
        ``encode`` as it is.  ``user`` and ``item`` are
        the fused rows of the batch, users [B] and items [B + B n], or [B + n] with a pool that all
        share, positives first; ``user_of``, ``item_of`` say which of ``rows`` each belongs to.
    """

    batch: Triplets
    rows: Embeddings
    user: Fused
    item: Fused
    user_of: Tensor
    item_of: Tensor


class Capabilities(NamedTuple):
    """What can be done with a backbone, see :func:`capabilities`."""

    rowwise: bool
    has_ids: bool
    can_be_sampled: bool
    needs_modalities: bool
    placements: tuple[Placement, ...]


class Backbone(Module, ABC):
    """A recommender in two functions: :meth:`encode` and :meth:`fuse`.

    ``encode`` turns the graph into one embedding table per name, for users and for items; a name
    is a modality or the backbone's own (``'id'``).  ``fuse`` turns rows of those tables into the
    rows whose inner product is the score.  MRdIB and the controls stand between the two.  Beside
    them a backbone has :attr:`graphs`, the derived graphs that it reads, and
    :meth:`auxiliary_loss` with :attr:`loss_weights`, loss terms of its own.  These four are all
    that most backbones need; the rest of the class has defaults.

    Dropout and other noise is drawn from torch's default generator, in training mode only;
    checkpoints hold its state.

    Args:
        num_users: U.
        num_items: I.
        in_channels: Raw feature width d_m of each modality; its keys are the modalities.
        embedding_dim: d.

    Raises:
        ConfigError: A size is below 1, or there is no modality where one is needed.
    """

    loss_weights: Mapping[str, float] = {}
    """Weight of each term that :meth:`auxiliary_loss` returns, and of ``'ranking'`` if not 1."""

    @checked
    def __init__(
        self,
        num_users: Count,
        num_items: Count,
        in_channels: Mapping[str, Count],
        embedding_dim: Count = 64,
    ) -> None:
        super().__init__()
        if self.needs_modalities and not in_channels:
            raise ConfigError(
                f"in_channels: the graph has no modality, {type(self).__name__} needs one or more"
            )
        self.num_users = num_users
        self.num_items = num_items
        self.in_channels = dict(in_channels)
        self.embedding_dim = embedding_dim

    @classmethod
    def from_data(cls, data: HeteroData, **options: Any) -> Self:
        """A backbone sized for a graph, with all its modalities.

        Raises:
            ConfigError: An option is unknown.
        """
        in_channels = {m: int(data[m].x.size(1)) for m in graph.modalities(data)}
        return resolver.build(  # type: ignore[no-any-return]
            cls,
            options,
            cls.__name__,
            num_users=graph.num_users(data),
            num_items=graph.num_items(data),
            in_channels=in_channels,
        )

    @property
    def modalities(self) -> list[str]:
        """Names of the modalities that this backbone makes embeddings of."""
        return list(self.in_channels)

    @abstractmethod
    def encode(self, data: HeteroData) -> Embeddings:
        """Message passing: ``{'user': {name: [U, d]}, 'item': {name: [I, d]}}``.

        A third key, ``'context'``, may hold tensors of any shape that :meth:`auxiliary_loss` reads.
        """

    @abstractmethod
    def fuse(self, h: Rows, node_type: str) -> Fused | Tensor:
        """Rows of every name to the scored rows, row by row: [n, d] each -> [n, w].

        The rows alone, or :class:`Fused` with views of them that :meth:`auxiliary_loss` reads.
        """

    @property
    def graphs(self) -> Sequence[BaseTransform]:
        """Transforms that add the derived graphs this backbone reads."""
        return ()

    def auxiliary_loss(self, data: HeteroData, step: Step) -> Terms:
        """The backbone's own loss terms, unweighted; see :attr:`loss_weights`."""
        del data, step
        return {}

    def projections(
        self, width: int | None = None, bias: bool = True, trained: bool = False
    ) -> ModuleDict:
        """A linear map of each modality's features, d wide by default.

        Args:
            width: Width of the result.
            bias: Whether the maps have a bias.
            trained: Whether the features are trained too, see :class:`~mrdib_graph.nn.Projection`.
        """
        width, rows = width or self.embedding_dim, self.num_items if trained else 0
        maps = {m: Projection(d_m, width, bias, rows) for m, d_m in self.in_channels.items()}
        return ModuleDict(maps)

    # Advanced: capabilities, sampled training, messages after the fusion, scores of a modality
    # alone, and what the library calls.  Read on only if the above is not enough.

    rowwise: bool = True
    """Whether the score needs no :meth:`propagate`, so that the rows of a batch are enough."""

    has_ids: bool = True
    """Whether users and items have rows named ``'id'``, which some controls act on."""

    can_be_sampled: ClassVar[bool] = False
    """Whether :meth:`sampling` is written; options may still forbid it (:attr:`not_sampled`)."""

    needs_modalities: ClassVar[bool] = False
    """Whether a graph without modalities is refused."""

    placements: ClassVar[tuple[Placement, ...]] = ("inline", "auxiliary")
    """Where MRdIB can stand, the default first."""

    def propagate(self, fused: Fused, node_type: str, data: HeteroData) -> Fused:
        """Message passing after the fusion, on full tables; asked for where not ``rowwise``."""
        del node_type, data
        return fused

    def prepare(self, data: HeteroData) -> HeteroData:
        """A shallow copy of the graph with everything that ``encode`` reads; cheap when there."""
        data = AlignFeatures()(data)
        for transform in self.graphs:
            data = transform(data)
        return data

    def prepare_epoch(self, data: HeteroData, generator: torch.Generator) -> None:
        """Called before each epoch: prune edges, mark a learned graph for rebuilding."""
        del data, generator

    def encode_rows(self, data: HeteroData, users: Tensor, items: Tensor) -> Embeddings:
        """The rows of a batch; override it where rows can be encoded without the full tables.

        Shapes:
            ``users`` [B], ``items`` [n] -> ``{'user': {name: [B, d]}, 'item': {name: [n, d]}}``.
        """
        return take_rows(self.encode(data), users, items)

    @property
    def not_sampled(self) -> str | None:
        """Why it cannot be trained on sampled subgraphs; None where it can.

        A backbone that can sets :attr:`can_be_sampled`, says in :meth:`sampling` what it reads, and
        finds the rows of its tables by :func:`mrdib_graph.subgraph.table_rows`.
        """
        if not self.rowwise:
            return "it passes messages after the fusion, over all nodes"
        if not self.can_be_sampled:
            return "it does not say which messages it passes (Backbone.sampling)"
        if any(isinstance(m, Projection) and m.delta is not None for m in self.modules()):
            return "train_features gives every item a row of its own to train"
        return None

    def check_sampled(self) -> None:
        """Refuse sampled subgraphs where they cannot be trained on.

        Raises:
            ConfigError: It cannot be sampled.
        """
        if self.not_sampled:
            raise ConfigError(
                f"loader: {type(self).__name__} cannot be trained on sampled subgraphs, since "
                f"{self.not_sampled}; use loader=full"
            )

    def sampling(self, data: HeteroData) -> Sampling:
        """What this epoch's training reads of a subgraph, asked for after :meth:`prepare_epoch`.

        Args:
            data: The whole graph, prepared.

        Raises:
            ConfigError: It cannot be sampled.
        """
        del data
        self.check_sampled()
        return Sampling()

    def check_modalities(self, names: Sequence[str], what: str) -> None:
        """Refuse MRdIB or a control, ``what``, that names modalities which are not here.

        Raises:
            ConfigError: A name is unknown, or the backbone has no modality at all.
        """
        if not self.modalities:
            raise ConfigError(
                f"{what} cannot be used with {type(self).__name__}: the backbone has no modality "
                "embeddings; choose a multimodal one, or run it bare"
            )
        unknown = [name for name in names if name not in self.modalities]
        if unknown:
            raise ConfigError(
                f"{what}: modality '{unknown[0]}' is not one of {type(self).__name__}'s: "
                f"{', '.join(self.modalities)}"
            )

    def modality_user(self, modality: str, user: Rows) -> Tensor:
        """The user rows that score a modality alone: the user's code, else the fused row."""
        return user[modality] if modality in user else self.fused(user, graph.USER).out

    def joint_code(self, item: Rows) -> Tensor | None:
        """Code of all modalities together [n, d], which only :class:`LateFusion` has."""
        del item
        return None

    def content_names(self, names: Sequence[str]) -> list[str]:
        """Names of all item rows of some modalities; more than one each in :class:`LateFusion`."""
        return list(names)

    def encoded(
        self, data: HeteroData, users: Tensor | None = None, items: Tensor | None = None
    ) -> Embeddings:
        """What :meth:`encode` gives, or for users and items :meth:`encode_rows`, checked.

        Raises:
            ConfigError: Users or items are left out, or a table has another number of rows.
        """
        if users is None or items is None:
            what, found = "encode", self.encode(data)
            expected = {graph.USER: graph.num_users(data), graph.ITEM: graph.num_items(data)}
        else:
            what, found = "encode_rows", self.encode_rows(data, users, items)
            expected = {graph.USER: users.numel(), graph.ITEM: items.numel()}
        what = f"{type(self).__name__}.{what}"
        for node_type, size in expected.items():
            rows = found.get(node_type) if isinstance(found, dict) else None
            if not isinstance(rows, dict):
                raise ConfigError(
                    f"{what}: there are no rows of the {node_type}s; return "
                    "{'user': {name: rows}, 'item': {name: rows}}"
                )
            for name, x in rows.items():
                if not isinstance(x, Tensor) or x.dim() != 2 or x.size(0) != size:
                    raise ConfigError(
                        f"{what}: {node_type} rows '{name}' are {_shape(x)}, expected a tensor "
                        f"[{size}, d], a row for each {node_type}"
                    )
        return found

    def fused(self, h: Rows, node_type: str) -> Fused:
        """What :meth:`fuse` gives, checked: a tensor alone becomes :class:`Fused` without views.

        Raises:
            ConfigError: It is neither, or has not one row for each row given.
        """
        found = self.fuse(h, node_type)
        fused = found if isinstance(found, Fused) else Fused(found)
        size = next(iter(h.values())).size(0)
        if not isinstance(fused.out, Tensor) or fused.out.dim() != 2 or fused.out.size(0) != size:
            raise ConfigError(
                f"{type(self).__name__}.fuse: the rows are {_shape(fused.out)}, expected a "
                f"tensor [{size}, w], a row for each {node_type} row given, or Fused(rows, views)"
            )
        return fused


def capabilities(backbone: Backbone | type[Backbone]) -> Capabilities:
    """What can be done with a backbone; of a class, what can be done for some of its options."""
    sampled = backbone.can_be_sampled
    if isinstance(backbone, Backbone):
        sampled = backbone.not_sampled is None
    return Capabilities(
        backbone.rowwise, backbone.has_ids, sampled, backbone.needs_modalities, backbone.placements
    )


def _shape(x: object) -> str:
    return f"a tensor {list(x.shape)}" if isinstance(x, Tensor) else f"of type {type(x).__name__}"


def take_rows(tables: Embeddings, users: Tensor, items: Tensor) -> Embeddings:
    """Rows of full tables, by name; the context as it is."""
    index = {graph.USER: users, graph.ITEM: items}
    return {
        node_type: {name: table.index_select(0, index[node_type]) for name, table in rows.items()}
        if node_type in index
        else rows
        for node_type, rows in tables.items()
    }


def embedding(num_rows: int, width: int) -> Embedding:
    """An embedding table with Xavier uniform entries."""
    table = Embedding(num_rows, width)
    init.xavier_uniform_(table.weight)
    return table
