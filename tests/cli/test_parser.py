import pytest

from mrdib_graph.cli import Parser
from mrdib_graph.cli.parser import name_list, number_list, one_line, table
from mrdib_graph.errors import ConfigError


@pytest.fixture
def parser() -> Parser:
    made = Parser(prog="shop")
    made.add_argument("--colour", choices=("red", "green"), required=True)
    made.add_argument("--size", type=int)
    return made


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--color red", r"^unknown flag --color; did you mean '--colour'\? See shop --help$"),
        ("--colour read", r"^--colour: got 'read', expected red, green; did you mean 'red'\?"),
        ("--colo red", "unknown flag --colo;"),  # no abbreviations
        ("--size 1", "required: --colour"),
        ("--colour red --size x", "--size: invalid int value: 'x'"),
        ("--colour red blue", "unrecognized arguments: blue"),
    ],
)
def test_a_mistake_is_a_config_error_that_names_the_nearest(parser, arguments, message) -> None:
    with pytest.raises(ConfigError, match=message):
        parser.parse_args(arguments.split())


def test_what_lines_are_made_of() -> None:
    assert name_list(" a, b,,") == ["a", "b"]
    assert one_line("a\x1b\n") == "a\\x1b\\n"
    assert table([("a", "b"), ("long", "")]) == ["a     b", "long"]


def test_numbers_of_a_comma_list() -> None:
    assert number_list("0,0.5", "--shares", float) == [0.0, 0.5]
    assert number_list("3,1", "--seeds", int) == [3, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,x", "--seeds: got '1,x', expected whole numbers, as 1,2,3"),
        ("1,1.5", "--seeds: got '1,1.5', expected whole numbers"),
        ("", "--seeds: got '', expected one or more"),
        ("2,1,2", "--seeds: got '2,1,2', which names one twice"),
    ],
)
def test_wrong_numbers_are_named(text, message) -> None:
    with pytest.raises(ConfigError, match=message):
        number_list(text, "--seeds", int)
