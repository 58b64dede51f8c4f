"""The parser of every command: the library's own errors, and the nearest name after a mistake."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn, TypeVar

from mrdib_graph.errors import ConfigError, suggest

Number = TypeVar("Number", int, float)


class Parser(argparse.ArgumentParser):
    """An argument parser that raises ``ConfigError``, and has ``--debug`` and no abbreviations.

    Args:
        options: Of :class:`argparse.ArgumentParser`.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)
        # taken out by exit_status before anything is parsed; here for --help alone
        self.add_argument("--debug", action="store_true", help="show tracebacks")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Refuse flags that do not exist before argparse finds what else is missing."""
        for word in args or ():
            flag = word.partition("=")[0]
            if word == "--" or (self._subparsers is not None and not word.startswith("-")):
                break
            if flag.startswith("--") and flag not in self._option_string_actions:
                self.error(
                    f"unknown flag {flag}{suggest(flag, list(self._option_string_actions)) or '.'}"
                )
        return super().parse_known_args(args, namespace)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Name the nearest choice."""
        if action.choices is None or value in action.choices:
            return
        known = [str(choice) for choice in action.choices]
        name = "/".join(action.option_strings) or str(action.metavar).lower()
        self.error(
            f"{name}: got '{value}', expected {', '.join(known)}{suggest(str(value), known) or '.'}"
        )

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage and leaving."""
        raise ConfigError(f"{message} See {self.prog} --help")


def name_list(text: str) -> list[str]:
    """A comma list."""
    return [part for part in (part.strip() for part in text.split(",")) if part]


def number_list(text: str, flag: str, kind: type[Number]) -> list[Number]:
    """A comma list of different numbers.

    Raises:
        ConfigError: It is none; or one is there twice, which would count twice in every test.
    """
    try:
        numbers = [kind(part) for part in name_list(text)]
    except ValueError as error:
        expected = "whole numbers, as 1,2,3" if kind is int else "numbers, as 0,0.5"
        raise ConfigError(f"{flag}: got '{text}', expected {expected}") from error
    if not numbers or len(set(numbers)) < len(numbers):
        what = "which names one twice" if numbers else "expected one or more"
        raise ConfigError(f"{flag}: got '{text}', {what}")
    return numbers


def one_line(text: str) -> str:
    """A text on one line: control characters, which could drive a terminal, are escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows in columns, each as wide as its widest text."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
