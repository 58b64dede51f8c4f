import pytest

from mrdib_graph.datasets.files.web_page import is_web_page, public_address


@pytest.mark.parametrize(
    ("start", "page"),
    [
        (b"<!DOCTYPE html>", True),
        (b"\xef\xbb\xbf\n <HTML><body>", True),
        (b"<?xml version='1.0'?>", True),
        (b"A1,B1,5.0,1370131200", False),
        (b"\x1f\x8b\x08", False),
        (b"", False),
    ],
)
def test_is_web_page(start, page):
    assert is_web_page(start) is page


def test_an_address_without_its_secrets():
    assert public_address("https://me:word@host:81/a/b.gz?token=1#x") == "https://host:81/a/b.gz"
