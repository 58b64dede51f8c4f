"""The names of rows, written and read in one place."""

from mrdib_graph.row_names import (
    JOINT,
    in_inner_backbone,
    joint_share,
    modality_of,
    of_inner_backbone,
    rows_of,
)


def test_what_is_written_is_read_back() -> None:
    for name in ("text", joint_share("text"), of_inner_backbone("text")):
        assert modality_of(name) == "text"
    assert in_inner_backbone(of_inner_backbone("text")) == in_inner_backbone("text") == "text"
    assert modality_of("id") == "id" and modality_of(JOINT) == JOINT


def test_all_rows_of_a_modality_are_found_and_no_others() -> None:
    names = ["id", of_inner_backbone("text"), "text", joint_share("text"), "image", "context"]
    assert rows_of(names, "text") == ["backbone/text", "text", "joint/text"]
    assert rows_of(names, "audio") == []
