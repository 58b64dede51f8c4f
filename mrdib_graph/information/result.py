"""What an information profile returns: bits of modalities, splits of pairs, knock-outs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Protocol

from mrdib_graph.information.knock_out import KnockOut
from mrdib_graph.partial_information import PartialInformation
from mrdib_graph.tables import render, render_html
from mrdib_graph.typing import Metrics


class Truth(Protocol):
    """A data set whose information is known, such as ``Planted``."""

    def truth(self, pair: tuple[str, str]) -> PartialInformation:
        """The known split of a pair."""

    def information(self, modalities: Sequence[str]) -> float:
        """The known bits of a set of modalities."""


class Bits(NamedTuple):
    """An amount of information in bits per interaction, with a 95 percent interval.

    ``value`` is ``raw`` or 0 where the probe did worse than popularity.  The interval covers the
    test sample, not the training seed.
    """

    value: float
    se: float
    low: float
    high: float
    raw: float


@dataclass(frozen=True)
class ModalityInformation:
    """Bits of one source alone, and what all modalities lose without it."""

    name: str
    bits: Bits
    leave_one_out: Bits | None
    """``I_all - I_(all without it)``; None for the backbone's own tables."""


@dataclass(frozen=True)
class PairInformation:
    """Redundant, unique and synergistic bits of two modalities; the others are not read."""

    pair: tuple[str, str]
    split: PartialInformation
    low: PartialInformation | None
    high: PartialInformation | None
    overlap: float
    """Shared part of ``I_1 + I_2``, ``R / (I_1 + I_2)``."""
    union: float
    """V in bits."""
    converged: bool

    @property
    def name(self) -> str:
        """``'image-text'``."""
        return "-".join(self.pair)


@dataclass(frozen=True, repr=False)
class InformationProfile:
    """How much of the modalities' information about the user's choice is what.

    All in bits per held-out interaction, saved over the popularity recommender.
    """

    rule: str
    target: str
    split: str
    ridge: float
    num_interactions: int
    num_users: int
    modalities: tuple[ModalityInformation, ...]
    own: tuple[ModalityInformation, ...]
    """The backbone's own tables, such as ``'id'``; in no pair."""
    pairs: tuple[PairInformation, ...]
    total: Bits
    """I_all: every modality together, with the fused score where there is one."""
    non_additive_gain: Bits | None
    """``I_(all, fused) - I_(all, additive)``; None without a fused score."""
    total_correlation: float
    """``-0.5 log2 det corr`` of the modalities' scores."""
    fused: Bits | None
    """The recommender's full fused score alone, the backbone's own tables included."""
    knock_out: tuple[KnockOut, ...]

    def metrics(self) -> Metrics:
        """Flat values by tracker key, such as ``information/image-text/unique_image``."""
        out = {f"information/{m.name}/bits": m.bits.value for m in (*self.modalities, *self.own)}
        for p in self.pairs:
            (a, b), key = p.pair, f"information/{p.name}"
            out[f"{key}/redundant"] = p.split.redundant
            out[f"{key}/unique_{a}"], out[f"{key}/unique_{b}"] = p.split.unique
            out[f"{key}/synergistic"] = p.split.synergistic
        return out

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain numbers, strings and lists, ready for JSON."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain

    def table(self, truth: Truth | None = None) -> str:
        """A plain text table: one row a modality, one row a pair, one row a knock-out.

        Args:
            truth: A data set with known information; adds a column.
        """
        return "\n\n".join(render(headings, rows) for headings, rows in self._tables(truth))

    def _repr_html_(self) -> str:
        return "".join(render_html(headings, rows) for headings, rows in self._tables(None))

    def __repr__(self) -> str:
        parts = [f"{m.name} {m.bits.value:.3f}" for m in (*self.modalities, *self.own)]
        bits = ", ".join([*parts, f"all {self.total.value:.3f}"])
        return f"InformationProfile({self.split}, {len(self.pairs)} pairs; bits: {bits})"

    def _tables(self, truth: Truth | None) -> list[tuple[list[str], list[list[str]]]]:
        """Headings and rows of modalities, of pairs and of knock-outs, where there are any."""
        known = truth is not None
        sources = (*self.modalities, *self.own)
        rows = [_bits_row(m.name, m.bits, m.leave_one_out) for m in sources]
        rows.append(_bits_row("all", self.total, None))
        if truth is not None:
            names = [m.name for m in self.modalities]
            for row in rows:
                asked = names if row is rows[-1] else [n for n in names if n == row[0]]
                row.append(f"{truth.information(asked):.3f}" if asked else "")
        tables = [(["modality", "bits", "95 %", "leave one out", *["truth"] * known], rows)]
        if self.pairs:
            headings = ["pair", "redundant", "unique a", "unique b", "synergistic", "both"]
            headings += ["truth (R, U, U, S)"] * known
            tables.append((headings, [_pair_row(p, truth) for p in self.pairs]))
        if self.knock_out:
            every = list(self.knock_out[0].metrics)
            shown = [n for n in every if n.endswith("@20")] or every  # a terminal is not wide
            headings = ["without", "by", *(f"{n} (drop %)" for n in shown), "bits lost"]
            rows = [
                [k.name, k.kind]
                + [f"{k.metrics[n]:.4f} ({k.drop_percent[n]:.1f})" for n in shown]
                + [f"{k.drop_bits:.3f}"]
                for k in self.knock_out
            ]
            tables.append((headings, rows))
        return tables


def _bits_row(name: str, bits: Bits, leave_one_out: Bits | None) -> list[str]:
    gain = "" if leave_one_out is None else f"{leave_one_out.raw:.3f}"
    return [name, _amount(bits.value, bits.low), _range(bits.low, bits.high), gain]


def _pair_row(p: PairInformation, truth: Truth | None) -> list[str]:
    if p.low is None or p.high is None:
        cells = [f"{v:.3f}" for v in p.split.parts]
    else:
        bounds = zip(p.split.parts, p.low.parts, p.high.parts, strict=True)
        cells = [f"{_amount(v, low)} {_range(low, high)}" for v, low, high in bounds]
    row = [" - ".join(p.pair), *cells]
    if truth is not None:
        row.append(", ".join(f"{v:.3f}" for v in truth.truth(p.pair).parts[:4]))
    return row


def _amount(value: float, low: float) -> str:
    return f"{value:.3f}" if low > 0 else f"{value:.3f}, not above 0"


def _range(low: float, high: float) -> str:
    return f"[{low:.3f}, {high:.3f}]"


def _plain(value: Any) -> Any:
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {k: _plain(v) for k, v in value._asdict().items()}
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value
