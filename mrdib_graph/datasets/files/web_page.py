"""Telling an error page from a data file, and an address that may be written down."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit


def is_web_page(start: bytes) -> bool:
    """Whether the first bytes of a file are those of HTML or XML."""
    start = start[:64].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return start.startswith((b"<!doctype", b"<html", b"<head", b"<?xml"))


def public_address(url: str) -> str:
    """The address without user name, password and query, fit for messages and records."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))
