import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrdib_graph.errors import ConfigError
from mrdib_graph.serving.id_map import MAX_COMPARED, IdMap


@given(st.lists(st.text(max_size=8), min_size=1, max_size=20, unique=True))
def test_every_id_finds_its_row(ids: list[str]) -> None:
    known = IdMap(ids, len(ids), "user")
    assert known.rows(ids, "users").tolist() == list(range(len(ids)))
    assert all(value in known for value in ids)


def test_rows_are_numbered_where_ids_are_unknown() -> None:
    known = IdMap(None, 3, "item")
    assert known.ids == ["0", "1", "2"]
    assert known.row("2") == known.row(2) == known.row(np.int64(2)) == 2


def test_an_unknown_id_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="user: 'alcie' is unknown; did you mean 'alice'?"):
        IdMap(["alice", "bob"], 2, "user").row("alcie")


def test_an_id_that_resembles_none_shows_what_ids_look_like() -> None:
    with pytest.raises(ConfigError, match="'zzz' is unknown. The 2 ids look like 'alice'"):
        IdMap(["alice", "bob"], 2, "user").row("zzz")


def test_a_large_map_compares_with_few_ids_and_still_names_a_near_one() -> None:
    size = 100 * MAX_COMPARED
    known = IdMap([f"user{row:06d}" for row in range(size)], size, "user")
    assert len(known) == size
    with pytest.raises(ConfigError, match="did you mean 'user01"):
        known.row("user01234x")
    assert len(known._neighbours("user01234x")) == MAX_COMPARED
    with pytest.raises(ConfigError) as caught:
        known.row("x" * 10**6)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("value", [True, 1.0, None, b"alice", ["alice"], {"a": 1}])
def test_other_types_are_refused(value: object) -> None:
    with pytest.raises(ConfigError, match=r"expected an id as text"):
        IdMap(["alice", "1"], 2, "user").row(value)


@pytest.mark.parametrize("values", ["alice", b"alice", 3, None])
def test_rows_wants_a_list(values) -> None:
    with pytest.raises(ConfigError, match="users: got .* expected a list of ids"):
        IdMap(["alice"], 1, "user").rows(values, "users")


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (["a"], "got 1 ids for 2 item rows"),
        (["a", "b", "c"], "got 3 ids for 2 item rows"),
        (["a", "a"], "'a' comes twice, in rows 0 and 1"),
        (["a", 1], "row 1 is 1, expected text"),
    ],
)
def test_a_wrong_list_of_ids_is_refused(ids, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        IdMap(ids, 2, "item")
