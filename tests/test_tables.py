from mrdib_graph.tables import render, render_html


def test_columns_line_up():
    text = render(["name", "bits"], [["image", "0.5"], ["id", "0.125"]])
    assert text.splitlines() == [
        "name   bits",
        "-----  -----",
        "image  0.5",
        "id     0.125",
    ]


def test_html_has_the_cells_and_escapes_them():
    text = render_html(["a"], [["<b>"]], "x & y")
    assert text == (
        "<table><caption>x &amp; y</caption><tr><th>a</th></tr><tr><td>&lt;b&gt;</td></tr></table>"
    )
