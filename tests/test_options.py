"""Options against the names and types of a constructor."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import pytest

from mrdib_graph.errors import ConfigError
from mrdib_graph.options import (
    Count,
    NonNegative,
    NonNegativeInt,
    Positive,
    Probability,
    Seed,
    Share,
    check_options,
    checked,
    mismatch,
    options_of,
    parameters,
    readable,
)


class Thing:
    def __init__(
        self,
        size: int,
        rate: float = 0.1,
        kind: Literal["a", "b"] = "a",
        names: Sequence[str] | None = None,
        flag: bool = False,
        anything: object = None,
    ) -> None: ...


class Open:
    def __init__(self, size: int, **more: Any) -> None: ...


class Untyped:
    def __init__(self, size, rate=0.1): ...


class OnlyForCheckers:
    def __init__(self, size: "NotThere" = 1) -> None: ...  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    ("value", "hint", "good"),
    [
        (1, int, True),
        (1.0, int, False),
        (True, int, False),
        ("1", int, False),
        (1, float, True),
        (1.5, float, True),
        (False, float, False),
        ("fast", float, False),
        (None, float, False),
        (None, float | None, True),
        ("a", str, True),
        (1, str, False),
        (True, bool, True),
        (1, bool, False),
        ("a", Literal["a", "b"], True),
        ("c", Literal["a", "b"], False),
        (3.0, float | Literal["auto"], True),
        ("auto", float | Literal["auto"], True),
        ("other", float | Literal["auto"], False),
        ({"a": 1}, dict[str, int], True),
        ([1], dict[str, int], False),
        ({"a": 1}, Mapping[str, int], True),
        ("ab", Mapping[str, int], False),
        (["a"], Sequence[str], True),
        ("ab", Sequence[str], False),
        (["a", "b"], tuple[str, str], True),
        (3, tuple[str, str], False),
        ((1, 2), tuple[Count, ...], True),
        ((1, 0), tuple[Count, ...], False),
        (3, str | type[Thing], False),
        ("name", str | type[Thing], True),
        (object(), Any, True),
        (object(), Thing, True),
    ],
)
def test_what_fits_where(value: object, hint: Any, good: bool) -> None:
    assert (mismatch("x", value, hint) == "") is good


def test_good_options() -> None:
    check_options(Thing, {"size": 1, "rate": 2, "kind": "b", "names": ["x"]}, "thing")
    check_options(Thing, {"names": None, "flag": True, "anything": [1]}, "thing")
    check_options(Thing, {}, "thing")
    check_options(Open, {"whatever": 1}, "open")
    check_options(Untyped, {"size": "x", "rate": "y"}, "untyped")
    check_options(OnlyForCheckers, {"size": "x"}, "odd")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"siez": 1}, "thing: option 'siez' is unknown; did you mean 'size'? Options: size, rate"),
        ({"zzzzz": 1}, r"thing: option 'zzzzz' is unknown\. Options: "),
        ({"size": "x"}, "thing: option 'size': got 'x', expected a whole number"),
        ({"rate": "x"}, "'rate': got 'x', expected a number"),
        ({"kind": "c"}, "'kind': got 'c', expected a or b"),
        ({"names": "x"}, "'names': got 'x', expected a list, each text or null"),
        ({"flag": 1}, "'flag': got 1, expected true or false"),
    ],
)
def test_bad_options(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text.replace("?", r"\?")):
        check_options(Thing, options, "thing")


def test_names_that_the_caller_sets_or_reads() -> None:
    with pytest.raises(ConfigError, match="'size' has a place of its own"):
        check_options(Thing, {"size": 1}, "thing", given={"size"})
    with pytest.raises(ConfigError, match="Options: extra, rate") as error:
        check_options(Thing, {"extr": 1}, "thing", given={"size"}, also=["extra"])
    assert "did you mean 'extra'" in str(error.value) and "size" not in str(error.value)
    check_options(Thing, {"extra": 1}, "thing", also=["extra"])
    with pytest.raises(ConfigError, match="'size': got 'x', expected a whole number"):
        check_options(Open, {"size": "x"}, "open")


class Ranged:
    @checked
    def __init__(
        self,
        size: Count,
        rate: Probability = 0.1,
        kind: Literal["sum", "mean"] = "sum",
        weight: NonNegative | Mapping[str, NonNegative] = 0.0,
        sizes: Sequence[Count] = (1,),
        scale: Positive | None = None,
        mix: Share = 0.5,
        note: str = "",
        odd: "NotThere" = 1,  # type: ignore[name-defined]  # noqa: F821
    ) -> None:
        self.size = size


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"size": 0}, "size: got 0, expected a whole number, 1 or more"),
        ({"size": True}, "size: got True, expected a whole number, 1 or more"),
        ({"size": "3"}, "size: got '3', expected a whole number, 1 or more"),
        ({"size": 2.5}, "size: got 2.5, expected a whole number, 1 or more"),
        ({"rate": 1}, "rate: got 1, expected a probability below 1"),
        ({"rate": float("nan")}, "rate: got nan, expected a probability below 1"),
        ({"kind": "summ"}, "kind: got 'summ', expected sum or mean; did you mean 'sum'?"),
        ({"weight": -1}, "weight: got -1, expected 0 or more or names, each with 0 or more"),
        ({"weight": {"a": 1, "b": -1}}, "weight['b']: got -1, expected 0 or more"),
        ({"sizes": [1, 0]}, "sizes: got [1, 0], expected a list, each a whole number, 1 or more"),
        ({"scale": 0.0}, "scale: got 0.0, expected more than 0 or null"),
        ({"mix": 1.1}, "mix: got 1.1, expected 0 to 1"),
    ],
)
def test_a_checked_constructor_refuses(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as error:
        Ranged(**{"size": 1, **arguments})
    assert str(error.value) == text


def test_a_checked_constructor_takes_what_fits() -> None:
    assert Ranged(3, 0.0, weight={"a": 0.0}, sizes=range(1, 3), scale=None, mix=1).size == 3
    assert Ranged(size=1, note=3).size == 1  # type: ignore[arg-type]  # texts are not looked at


def test_python_says_what_is_missing() -> None:
    with pytest.raises(TypeError, match="size"):
        Ranged()  # type: ignore[call-arg]


def test_ranges_hold_in_a_settings_file() -> None:
    with pytest.raises(ConfigError, match="thing: option 'rate': got 2, expected a probability"):
        check_options(Ranged, {"rate": 2}, "thing")


def test_ranges_in_words() -> None:
    assert readable(NonNegativeInt) == "a whole number, 0 or more"
    assert readable(Seed | None) == "a whole number, 0 or more and below 4294967296 or null"
    assert readable(Literal["a", "b", "c"]) == "a, b or c"
    assert readable(float | None) == "a number or null"
    assert readable(Mapping[str, Positive]) == "names, each with more than 0"


@checked
@dataclass(frozen=True)
class Settings:
    size: Count = 1
    kinds: tuple[Literal["a", "b"], ...] = ("a",)


def test_fields_of_a_dataclass_are_checked() -> None:
    assert Settings(2, ("b", "a")) == replace(Settings(), size=2, kinds=("b", "a"))
    with pytest.raises(ConfigError, match="size: got 0, expected a whole number, 1 or more"):
        Settings(0)
    with pytest.raises(ConfigError, match=r"kinds: got \('c',\), expected a list, each a or b"):
        replace(Settings(), kinds=("c",))


class Base:
    def __init__(self, size: Count, rate: Probability = 0.1) -> None: ...


class HandsOn(Base):
    def __init__(self, depth: NonNegativeInt = 2, **more: Any) -> None: ...


def test_more_options_are_those_of_the_base_class():
    found = parameters(HandsOn)
    assert list(found) == ["depth", "size", "rate"] and found["rate"].default == 0.1
    check_options(HandsOn, {"depth": 0, "rate": 0.5}, "thing", given=["size"])
    with pytest.raises(ConfigError, match=r"'rat' is unknown.*Options: depth, rate"):
        check_options(HandsOn, {"rat": 0.5}, "thing", given=["size"])
    with pytest.raises(ConfigError, match="option 'rate': got 2, expected a probability below 1"):
        check_options(HandsOn, {"rate": 2}, "thing")
    assert list(parameters(Open)) == ["size", "more"]


def test_a_constructor_takes_the_fields_of_a_dataclass() -> None:
    @checked
    @dataclass(frozen=True)
    class Sizes:
        width: Count = 3
        depth: Count = 2

    class Box:
        @options_of(Sizes, "box")
        def __init__(self, sizes: Sizes) -> None:
            self.sizes = sizes

    assert Box().sizes == Sizes(3, 2) and Box(4, depth=1).sizes == Sizes(4, 1)
    assert list(inspect.signature(Box).parameters) == ["width", "depth"]
    with pytest.raises(ConfigError, match="box: option 'widht' is unknown; did you mean 'width'"):
        Box(widht=3)  # type: ignore[call-arg]
    with pytest.raises(ConfigError, match="width: got 0, expected a whole number, 1 or more"):
        Box(width=0)
    with pytest.raises(
        ConfigError, match="option 'depth': got 0, expected a whole number, 1 or more"
    ):
        check_options(Box, {"depth": 0}, "box")
