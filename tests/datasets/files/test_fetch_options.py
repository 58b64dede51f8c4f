from pathlib import Path

import pytest

from mrdib_graph.datasets import FetchOptions
from mrdib_graph.errors import ConfigError


def test_defaults():
    options = FetchOptions()
    assert options.local is None and not options.mirrors and not options.any_checksum


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"local": Path("x"), "mirrors": ["http://a"]}, "got both"),
        ({"mirrors": ["ftp://a/b"]}, "mirror: got 'ftp://a/b'"),
        ({"mirrors": ["/a/folder"]}, "expected an address http"),
        ({"mirrors": "http://a/b"}, "expected a list"),
        ({"timeout": 0}, "timeout: got 0"),
        ({"attempts": 0}, "attempts: got 0"),
        ({"wait": -1}, "wait: got -1"),
    ],
)
def test_what_cannot_be_meant_is_refused(given, message):
    with pytest.raises(ConfigError, match=message):
        FetchOptions(**given)
