from mrdib_graph.information import Bits, InformationProfile, ModalityInformation, PairInformation
from mrdib_graph.partial_information import PartialInformation

PARTS = PartialInformation(0.1, (0.2, 0.3), 0.4, 1.0)
PROFILE = InformationProfile(
    rule="union",
    target="user",
    split="test",
    ridge=30.0,
    num_interactions=600,
    num_users=90,
    modalities=tuple(
        ModalityInformation(name, Bits(value, 0.01, value, value, value), None)
        for name, value in (("image", 0.3), ("text", 0.4))
    ),
    own=(),
    pairs=(PairInformation(("image", "text"), PARTS, None, None, 0.1, 0.6, True),),
    total=Bits(1.0, 0.01, 0.9, 1.1, 1.0),
    non_additive_gain=None,
    total_correlation=0.0,
    fused=None,
    knock_out=(),
)


def test_a_profile_is_shown_in_short() -> None:
    assert repr(PROFILE) == (
        "InformationProfile(test, 1 pairs; bits: image 0.300, text 0.400, all 1.000)"
    )


def test_the_page_has_the_cells_of_the_table() -> None:
    page = PROFILE._repr_html_()
    assert page.count("<table>") == 2
    assert "<td>image - text</td><td>0.100</td><td>0.200</td><td>0.300</td><td>0.400</td>" in page
    assert "image - text  0.100" in PROFILE.table()


def test_parts_and_back() -> None:
    assert PartialInformation.from_parts(PARTS.parts) == PARTS
    assert abs(PartialInformation.from_union(0.3, 0.4, 1.0, 0.6).redundant - 0.1) < 1e-12
