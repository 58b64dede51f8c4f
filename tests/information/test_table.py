from mrdib_graph.information.table import render


def test_columns_line_up():
    text = render(["name", "bits"], [["image", "0.5"], ["id", "0.125"]])
    assert text.splitlines() == [
        "name   bits",
        "-----  -----",
        "image  0.5",
        "id     0.125",
    ]
