from pathlib import Path

import pytest

from mrdib_graph.errors import ConfigError
from mrdib_graph.tracking import local_uri
from mrdib_graph.tracking.uri import artifact_location_beside, check_uri, outbox_beside


def test_local_uri_is_absolute(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert local_uri(Path("out")) == f"sqlite:///{tmp_path}/out/mlflow.db"


@pytest.mark.parametrize(
    "uri",
    ["sqlite:////a/b.db", "postgresql+psycopg2://u@h/d", "http://h:1", "https://h", "databricks"],
)
def test_good_uris(uri: str) -> None:
    check_uri(uri)


@pytest.mark.parametrize("uri", ["runs", "./runs", "", "file:///tmp/x", "ftp://h", "sqlite"])
def test_bad_uris_name_what_came_and_what_works(uri: str) -> None:
    with pytest.raises(ConfigError, match="expected sqlite:////") as caught:
        check_uri(uri)
    assert f"'{uri}'" in str(caught.value)


def test_what_lies_beside(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    uri = local_uri(tmp_path / "out")
    assert artifact_location_beside(uri) == f"file://{tmp_path}/out/artifacts"
    assert outbox_beside(uri) == tmp_path / "out" / "mlflow-outbox"
    assert artifact_location_beside("http://h:1") is None
    assert outbox_beside("http://h:1") == tmp_path / "mlflow-outbox"
