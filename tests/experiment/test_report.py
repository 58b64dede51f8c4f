"""The table that a person reads."""

import re
from typing import Any

import pytest
import torch

from mrdib_graph.experiment import ArmComparison, ArmResult, SeedResult, report

METRICS = [f"{m}@{k}" for k in (5, 10, 20) for m in ("recall", "ndcg", "map")]


def arm(backbone: str, arm: str, *levels: float, seconds: float = 1.0) -> ArmResult:
    """One seed a level; recall@20 is the level."""
    seeds = [
        SeedResult(i, 4 + i, 9, seconds, 50.0, {}, dict.fromkeys(METRICS, x), torch.empty(0), {})
        for i, x in enumerate(levels)
    ]
    partner = {"mrdib": "bare", "noise": "bare", "mrdib-late": "bare-late"}.get(arm)
    return ArmResult(backbone, arm, seeds, partner=partner)


def comparison(arm: str, baseline: str = "bare", **changes: Any) -> ArmComparison:
    values: dict[str, Any] = {
        **{"backbone": "vbpr", "baseline": baseline, "arm": arm},
        **{"metric": "recall@20", "gain_percent": 12.34, "p_value": 0.01, "p_holm": 0.034},
        **{"p_seeds": 0.2, "ci95": (3.21, 20.04)},
    }
    return ArmComparison(**{**values, **changes})


ARMS = [
    arm("ease", "closed-form", 0.31),
    arm("vbpr", "bare", 0.20, 0.22, seconds=2.0),
    arm("vbpr", "mrdib", 0.24, 0.26, seconds=2.5),
    arm("vbpr", "noise", 0.21, 0.21, seconds=1.5),
]
COMPARISONS = [
    comparison("mrdib"),
    comparison("noise", gain_percent=-1.0, p_holm=1.0, p_seeds=0.0001),
    comparison("mrdib", "noise", gain_percent=5.61),
    comparison("mrdib", metric="ndcg@20", gain_percent=99.0),
]


def cells(table: str) -> list[list[str]]:
    lines = [line for line in table.splitlines() if not re.fullmatch(r"[|\-: ]+", line)]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_one_row_an_arm() -> None:
    head, *rows = cells(report.arm_table(ARMS, COMPARISONS))
    assert head[:2] == ["backbone", "arm"] and head[2:11] == METRICS
    table = {(row[0], row[1]): dict(zip(head, row, strict=True)) for row in rows}
    assert list(table) == [(a.backbone, a.arm) for a in ARMS]
    assert table["ease", "closed-form"]["recall@20"] == ".3100"  # one seed: no deviation
    assert table["vbpr", "bare"]["recall@20"] == ".2100±.014"
    assert table["vbpr", "mrdib"]["recall@5"] == ".2500±.014"


def test_gains_are_those_of_the_main_metric_over_bare() -> None:
    head, *rows = cells(report.arm_table(ARMS, COMPARISONS))
    found = {row[1]: dict(zip(head, row, strict=True)) for row in rows}
    columns = ["gain %", "p users", "p seeds"]
    assert [found["mrdib"][c] for c in columns] == ["+12.3", ".034", ".200"]
    assert [found["noise"][c] for c in columns] == ["-1.0", "1", "<.001"]
    assert [found["bare"][c] for c in columns] == ["", "", ""]
    assert [found["closed-form"][c] for c in columns] == ["", "", ""]
    ndcg = cells(report.arm_table(ARMS, COMPARISONS, metric="ndcg@20"))
    assert ndcg[3][head.index("gain %")] == "+99.0"


def test_the_gain_over_the_fair_partner_has_columns_of_its_own() -> None:
    late = [comparison("mrdib-late"), comparison("mrdib-late", "bare-late", gain_percent=2.0)]
    arms = [*ARMS, arm("vbpr", "mrdib-late", 0.3)]
    head, *rows = cells(report.arm_table(arms, COMPARISONS + late))
    found = {row[1]: dict(zip(head, row, strict=True)) for row in rows}
    columns = ["gain %", "partner", "fair %", "p fair"]
    assert [found["mrdib-late"][c] for c in columns] == ["+12.3", "bare-late", "+2.0", ".034"]
    assert [found["mrdib"][c] for c in columns] == ["+12.3", "bare", "+12.3", ".034"]
    assert [found["bare"][c] for c in columns] == ["", "", "", ""]


def test_seconds_and_overhead() -> None:
    head, *rows = cells(report.arm_table(ARMS, COMPARISONS))
    found = {row[1]: dict(zip(head, row, strict=True)) for row in rows}
    times = {o: (row["s/epoch"], row["more %"]) for o, row in found.items()}
    assert times == {
        "closed-form": ("", ""),
        "bare": ("2.00", ""),
        "mrdib": ("2.50", "+25"),
        "noise": ("1.50", "-25"),
    }


def test_metrics_that_were_not_computed_have_no_column() -> None:
    few = arm("vbpr", "bare", 0.2)
    few.seeds[0].test = {"recall@20": 0.2}
    assert cells(report.arm_table([few], []))[0][:4] == ["backbone", "arm", "recall@20", "gain %"]


def test_the_method_against_its_controls() -> None:
    head, row = cells(report.control_table(COMPARISONS))
    assert row == ["vbpr", "mrdib over noise", "+5.6", "+3.2 to +20.0", ".034", ".200"]
    assert head[2] == "recall@20 gain %"
    assert report.control_table(COMPARISONS[:2]) == ""


@pytest.mark.parametrize(
    ("p", "text"),
    [(None, ""), (0.0, "<.001"), (0.00099, "<.001"), (0.001, ".001"), (0.5, ".500"), (1.0, "1")],
)
def test_p_values(p: float | None, text: str) -> None:
    assert report.p_text(p) == text


def test_a_line_when_an_arm_is_done() -> None:
    line = report.arm_line(arm("vbpr", "bare", 0.20, 0.22))
    assert line == "vbpr bare: test recall@20 0.2100 ± 0.0141, best epochs 5, 6"


def test_the_terminal() -> None:
    text = report.terminal(ARMS, COMPARISONS, 0.0123)
    assert "Mean ± sd over 2 seeds" in text and "± 0.0123" in text
    assert "The method against its controls" in text and "mrdib over noise" in text
    assert "fair %: over the arm's partner" in text
    assert "\nvbpr bare ends below ease (recall@20 .2100 against .3100): its numbers" in text
    alone = report.terminal(ARMS[:1], [], 0.01)
    assert "controls" not in alone and "over 1 seed;" in alone


RESULTS = {
    "dataset": {
        **{"name": "shop", "digest": "ab12", "split_rule": "given", "feature_scaling": "text"},
        "counts": {
            **{"users": 9, "items": 8, "interactions": 30, "train": 20, "val": 5, "test": 5},
            "modalities": {"text": 384, "image": 4096},
        },
        "features": {"text": {"encoder": "minilm", "version": "transformers 5"}},
    },
    "environment": {
        "versions": {"torch": "2.13.0", "python": "3.11"},
        **{"device": "cpu (x86_64)", "threads": 2, "git": {"commit": "c0ffee", "dirty": True}},
    },
}


def test_the_whole_report() -> None:
    text = report.markdown(
        "shop: vbpr", ARMS, COMPARISONS, 0.01, RESULTS, "the profile", ["gains.png"]
    )
    assert text.startswith("# shop: vbpr\n\n| backbone") and text.endswith("\n")
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert headings == [
        *(
            "Below a closed form",
            "Against the controls",
            "Information profile",
            "Figures",
            "Data",
            "Environment",
        ),
    ]
    assert "\n\nvbpr mrdib ends below ease (recall@20 .2500 against .3100): its" in text
    assert "```text\nthe profile\n```" in text and "![gains.png](figures/gains.png)" in text
    for part in ("9 users", "8 items", "30 interactions (20 train, 5 validation, 5 test)"):
        assert part in text
    assert "text 384 (made by minilm, transformers 5), image 4096; split given" in text
    assert "SHA-256 ab12" in text
    assert "torch 2.13.0; python 3.11; cpu (x86_64); 2 threads; commit c0ffee with changes." in text


def test_parts_that_there_are_not_have_no_heading() -> None:
    clean = {**RESULTS["environment"], "git": {"commit": "c0ffee", "dirty": False}}
    results = {**RESULTS, "environment": clean}
    text = report.markdown("shop", ARMS[1:2], [], 0.01, results, "", [])
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["Data", "Environment"]
    assert "with changes" not in text
