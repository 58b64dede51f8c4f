"""The information profile in pictures: parts of a pair, all pairs, knock-outs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mrdib_graph.errors import ConfigError
from mrdib_graph.partial_information import PartialInformation
from mrdib_graph.plotting.style import BLUE, CYCLE, GREEN, GREY, ORANGE, label, legend, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Profile = Mapping[str, Any]
"""``InformationProfile.to_dict()``."""

REPLACED_BY = {"mean": "its mean", "shuffle": "shuffled rows", "noise": "noise"}


def information_bars(profile: Profile, truth: PartialInformation | None = None) -> Figure:
    """Stacked bars of a profile's first pair: each modality alone, and both together.

    A modality's bar is its redundant part with its unique part on top; the pair's bar holds the
    redundant part, both unique parts and the synergistic part.  Whiskers are 95 % intervals of the
    part below them; black ticks are where the parts end in truth.

    Args:
        profile: A profile with at least one pair.
        truth: The known parts of that pair, in bits.

    Raises:
        ConfigError: The profile has no pair.
    """
    pair = _pairs(profile)[0]
    names = [str(name) for name in pair["pair"]]
    figure, [axis] = panels(1, 1, 5.6, 3.8)
    # Which of R, U_a, U_b, S each bar stacks.
    bars = ((0, 1), (0, 2), (0, 1, 2, 3))
    colours = (GREY, BLUE, ORANGE, GREEN)
    value, low, high = (_parts(pair[key]) for key in ("split", "low", "high"))
    true = None if truth is None else truth.parts
    assert value is not None
    for place, parts in enumerate(bars):
        base = true_base = 0.0
        for position, part in enumerate(parts):
            height = max(value[part], 0.0)
            axis.bar(place, height, 0.6, base, color=colours[part], edgecolor="white", lw=0.8)
            if low is not None and high is not None:
                x = place + 0.12 * (position - (len(parts) - 1) / 2)
                ends = [base + low[part], base + high[part]]
                axis.plot([x, x], ends, color="#404040", lw=1.2)
                axis.plot([x, x], ends, "_", color="#404040", markersize=5)
            base += height
            if true is not None:
                true_base += max(true[part], 0.0)
                axis.plot([place - 0.36, place + 0.36], [true_base] * 2, color="black", lw=1.8)
    axis.set_xticks(range(3), [*names, " +\n".join(names)], fontsize=9)
    axis.set_xlim(-0.6, 2.6)
    names_of = ["redundant", f"unique: {names[0]}", f"unique: {names[1]}", "synergistic"]
    _legend(axis, list(zip(names_of, colours, strict=True))[::-1], true is not None)
    label(axis, "", "bits per interaction", "Information about the user's choice")
    return figure


def information_heat_maps(profile: Profile) -> Figure:
    """Two heat maps over pairs: redundancy R / min(I_a, I_b) and synergy S / I_ab, in percent.

    Args:
        profile: A profile with at least one pair.

    Raises:
        ConfigError: The profile has no pair.
    """
    pairs = _pairs(profile)
    names = list(dict.fromkeys(str(name) for pair in pairs for name in pair["pair"]))
    figure, axes = panels(1, 2, 0.75 * len(names) + 2.0, 0.65 * len(names) + 1.3)
    titles = ("redundant: R / min($I_a$, $I_b$)", "synergistic: S / $I_{ab}$")
    for axis, title, which in zip(axes, titles, (0, 1), strict=True):
        shares = [[float("nan")] * len(names) for _ in names]
        for pair in pairs:
            a, b = (names.index(str(name)) for name in pair["pair"])
            shares[a][b] = shares[b][a] = _shares(pair["split"])[which]
        image = axis.imshow(shares, cmap="cividis", vmin=0, vmax=100)
        for row, values in enumerate(shares):
            for column, share in enumerate(values):
                if share == share:
                    colour = "black" if share > 55 else "white"
                    text = f"{round(share)}"  # an int is never -0
                    axis.text(column, row, text, ha="center", va="center", color=colour, fontsize=9)
        axis.set_xticks(range(len(names)), names)
        axis.set_yticks(range(len(names)), names)
        axis.spines[["left", "bottom"]].set_visible(False)
        axis.tick_params(length=0)
        label(axis, "", "", title)
    figure.colorbar(image, ax=axes, label="percent", shrink=0.9)
    return figure


def knock_out_bars(profile: Profile, metric: str | None = None) -> Figure:
    """How much ranking loses, in percent, when a source is replaced by something empty.

    Args:
        profile: A profile with knock-outs.
        metric: Such as ``'recall@20'``; the first of the profile where None.

    Raises:
        ConfigError: The profile has no knock-out, or not this metric.
    """
    rows = list(profile["knock_out"])
    if not rows:
        raise ConfigError("profile: it has no knock-out; ask for some with ProfileConfig.knock_out")
    known = list(rows[0]["drop_percent"])
    metric = metric or known[0]
    if metric not in known:
        raise ConfigError(f"metric: got '{metric}', expected one of {', '.join(known)}")
    names = list(dict.fromkeys(str(row["name"]) for row in rows))
    kinds = list(dict.fromkeys(str(row["kind"]) for row in rows))
    figure, [axis] = panels(1, 1, 1.6 + 1.1 * len(names), 3.2)
    width = 0.75 / len(kinds)
    for row in rows:
        position = kinds.index(str(row["kind"]))
        x = names.index(str(row["name"])) + (position - (len(kinds) - 1) / 2) * width
        drop = float(row["drop_percent"][metric])
        axis.bar(x, drop, 0.92 * width, color=CYCLE[position])
        axis.annotate(
            f"{drop:.1f}",
            (x, drop),
            (0, 3 if drop >= 0 else -3),
            textcoords="offset points",
            ha="center",
            va="bottom" if drop >= 0 else "top",
            fontsize=8,
        )
    axis.axhline(0, color="black", lw=0.8)
    axis.margins(y=0.12)
    axis.set_xticks(range(len(names)), names)
    by = [f"replaced by {REPLACED_BY.get(kind, kind)}" for kind in kinds]
    if len(kinds) > 1:
        _legend(axis, list(zip(by, CYCLE, strict=False)), False)
    what = f"left out ({by[0]})" if len(kinds) == 1 else "left out"
    label(axis, what, f"drop of {metric}, percent")
    return figure


def _pairs(profile: Profile) -> list[Mapping[str, Any]]:
    if not profile["pairs"]:
        raise ConfigError("profile: it has no pair of modalities; two or more are needed")
    return list(profile["pairs"])


def _parts(split: Mapping[str, Any] | None) -> tuple[float, ...] | None:
    """R, U_a, U_b, S and the total."""
    return None if split is None else PartialInformation(**split).parts


def _shares(split: Mapping[str, Any]) -> tuple[float, float]:
    """R in percent of the weaker modality's bits, S in percent of the pair's."""
    redundant, first, second, synergistic, total = PartialInformation(**split).parts
    weaker = redundant + min(first, second)
    nan = float("nan")
    return (
        100 * redundant / weaker if weaker > 0 else nan,
        100 * synergistic / total if total > 0 else nan,
    )


def _legend(axis: Axes, entries: list[tuple[str, str]], truth: bool) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Patch | Line2D] = [Patch(color=colour, label=name) for name, colour in entries]
    if truth:
        handles.append(Line2D([], [], color="black", lw=1.8, label="truth"))
    legend(axis, handles=handles, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
