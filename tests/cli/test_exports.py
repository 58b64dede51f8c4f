from types import ModuleType

import pytest

from mrdib_graph import (
    backbones,
    baselines,
    cli,
    datasets,
    estimators,
    losses,
    metrics,
    resolver,
)
from mrdib_graph.cli.exports import KINDS, exported, first_sentence
from mrdib_graph.experiment import ARMS
from mrdib_graph.transforms.split_interactions import CHOICES

RESOLVED: dict[str, tuple[ModuleType, type]] = {
    "backbones": (backbones, backbones.Backbone),
    "estimators": (estimators, estimators.MIEstimator),
    "datasets": (datasets, datasets.MultimodalDataset),
    "losses": (losses, losses.RankingLoss),
    "baselines": (baselines, baselines.Baseline),
    "metrics": (metrics, metrics.Metric),
}


@pytest.mark.parametrize("kind", RESOLVED)
def test_the_source_has_the_names_that_the_resolver_accepts(kind: str) -> None:
    package, base = RESOLVED[kind]
    classes = {resolver.resolve_class(name, package, base, kind) for name in exported(kind)}
    assert classes == set(resolver.choices(package, base).values())
    assert len(classes) == len(exported(kind))


def test_arms_and_splits_are_those_of_the_library() -> None:
    assert set(exported("arms")) == set(ARMS)
    assert set(exported("splits")) == set(CHOICES)


def test_each_name_has_one_readable_line() -> None:
    for kind in KINDS:
        for name, text in exported(kind).items():
            assert text and "\n" not in text and not set("\\`<") & set(text), (kind, name, text)


@pytest.mark.parametrize(
    ("docstring", "text"),
    [
        ('`"A Title: of Ours"\n<https://a>`_ (A and B, 2020).\n\nMore.', "A Title: of Ours"),
        ("Adds :math:`\\sigma\\,s` to\n``rows``. And more.", "Adds sigma s to rows"),
        (
            'From `"A" <https://a>`_ (Su, MM et al. 2024), any.',
            'From "A" (Su, MM et al. 2024), any',
        ),
    ],
)
def test_first_sentence(docstring: str, text: str) -> None:
    assert first_sentence(docstring).removesuffix(".") == text


@pytest.mark.parametrize("arguments", [("list", "datasets"), ("datasets", "list")])
def test_list_prints_a_line_for_each(capsys, arguments: tuple[str, ...]) -> None:
    assert cli.main(arguments) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(exported("datasets"))
    assert "file.py:Class" in last
    assert cli.main(["list", "dataset"]) == 2
    assert "did you mean 'datasets'?" in capsys.readouterr().err
