"""Gains and p values of the paired tables against SciPy and by hand."""

from scipy import stats

from mrdib_graph.experiment.paired_table import gain_columns, paired_table

RESULTS = [
    {"bare": {"r": 0.2, "n": 0.1}, "mrdib": {"r": 0.3, "n": 0.2}, "noise": {"r": 0.1, "n": 0.1}},
    {"bare": {"r": 0.4, "n": 0.1}, "mrdib": {"r": 0.5, "n": 0.1}, "noise": {"r": 0.5, "n": 0.3}},
    {"bare": {"r": 0.3, "n": 0.1}, "mrdib": {"r": 0.5, "n": 0.3}, "noise": {"r": 0.3, "n": 0.2}},
]


def over_bare(name: str) -> tuple[str, str] | None:
    return None if name == "bare" else (name, "bare")


def test_gains_are_of_means_and_p_values_are_paired() -> None:
    bare, mrdib, noise = gain_columns(RESULTS, "r", over_bare)
    assert bare == ["", "", ""]
    assert mrdib[:2] == ["+44.4", "+25.0 to +66.7"]
    assert noise[:2] == ["+0.0", "-50.0 to +25.0"]
    p = float(stats.ttest_rel([0.3, 0.5, 0.5], [0.2, 0.4, 0.3]).pvalue)
    assert mrdib[2] == f"{p:.3f} ({2 * p:.3f})".replace("0.", ".")  # the smaller of two: times 2
    assert noise[2] == "1 (1)"


def test_the_table_has_a_line_a_row() -> None:
    table = paired_table(RESULTS, ["r", "n"], {"over bare %": over_bare}, "arm")
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]
    assert lines[0] == ["arm", "r", "n", "over bare %", "range", "p (Holm)"]
    assert lines[2] == ["bare", "0.3000 ± 0.1000", "0.1000 ± 0.0000", "", "", ""]
    assert [line[0] for line in lines[2:]] == ["bare", "mrdib", "noise"]


def test_one_seed_has_no_deviation_and_no_p_value() -> None:
    table = paired_table(RESULTS[:1], ["r"], {"over bare %": over_bare}, "arm")
    cells = [cell.strip() for cell in table.splitlines()[3].split("|")[1:-1]]
    assert cells == ["mrdib", "0.3000", "+50.0", "+50.0 to +50.0", ""]


def test_a_base_that_is_zero_or_absent_is_said() -> None:
    results = [{"bare": {"r": 0.0}, "mrdib": {"r": 0.1}}, {"bare": {"r": 0.1}, "mrdib": {"r": 0.1}}]
    assert gain_columns(results, "r", over_bare)[1] == ["", "base 0", ""]
    absent = gain_columns(results, "r", lambda name: (name, "paper"))
    assert absent == [["", "", ""], ["", "", ""]]
