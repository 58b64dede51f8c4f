import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import mlflow
import pandas as pd
import pytest
import requests
from mlflow.exceptions import MlflowException

from mrdib_graph.serving import Bundle
from mrdib_graph.serving import mlflow_model as module
from mrdib_graph.serving.mlflow_model import SIGNATURE, RecommenderModel, pyfunc_options


@pytest.fixture
def model(folder: Path) -> RecommenderModel:
    model = RecommenderModel()
    model.load_context(SimpleNamespace(artifacts={"bundle": str(folder)}))
    return model


@pytest.fixture
def saved(folder: Path, tmp_path: Path) -> Path:
    mlflow.pyfunc.save_model(tmp_path / "model", **pyfunc_options(folder))
    return tmp_path / "model"


def frame(*users: object) -> pd.DataFrame:
    return pd.DataFrame({"user": list(users)})


def expected_rows(bundle: Bundle, users: list[str], k: int, exclude_seen: bool) -> list[tuple]:
    return [
        (user, r.item, r.name, r.rank, r.score)
        for user in users
        for r in bundle.recommend(user, k, exclude_seen)
    ]


@pytest.mark.parametrize("exclude_seen", [True, False])
def test_the_saved_model_answers_as_the_bundle(saved, bundle, exclude_seen) -> None:
    users = ["user-03", "user-00", "user-03"]
    loaded = mlflow.pyfunc.load_model(str(saved))
    answer = loaded.predict(frame(*users), params={"k": 4, "exclude_seen": exclude_seen})
    assert list(answer.columns) == SIGNATURE.outputs.input_names()
    found = list(answer.itertuples(index=False, name=None))
    assert found == expected_rows(bundle, users, 4, exclude_seen)
    default = list(loaded.predict(frame("user-01")).itertuples(index=False, name=None))
    assert default == expected_rows(bundle, ["user-01"], 10, True)


def test_the_saved_model_holds_no_pickle(saved: Path) -> None:
    assert (saved / "mlflow_entry.py").is_file()
    assert not [path for path in saved.rglob("*") if path.suffix in (".pkl", ".pickle", ".pt")]


def test_names_are_empty_where_the_bundle_has_none(make_bundle, tmp_path) -> None:
    folder = make_bundle(names=False).save(tmp_path / "bare")
    mlflow.pyfunc.save_model(tmp_path / "model", **pyfunc_options(folder))
    answer = mlflow.pyfunc.load_model(str(tmp_path / "model")).predict(frame("user-01"))
    assert answer["name"].isna().all() and len(answer) > 0


def test_whole_numbers_are_ids_where_no_signature_converts_them(tmp_path, bundle) -> None:
    plain = Bundle(
        bundle.user_table, bundle.item_table, bundle.history,
        type(bundle.users)(None, 12, "user"), bundle.items, None, bundle.info,
    )  # fmt: skip
    model = RecommenderModel()
    model.load_context(SimpleNamespace(artifacts={"bundle": plain.save(tmp_path / "numbers")}))
    assert set(model.predict(None, frame(3, 5))["user"]) == {"3", "5"}


def test_a_user_without_recommendations_gives_an_empty_frame(tmp_path) -> None:
    import torch

    full = Bundle.from_tables(torch.ones(1, 1), torch.ones(1, 1), torch.zeros(2, 1).long())
    model = RecommenderModel()
    model.load_context(SimpleNamespace(artifacts={"bundle": full.save(tmp_path / "full")}))
    answer = model.predict(None, frame("0"), {"k": 1})
    assert answer.empty and list(answer.columns) == ["user", "item", "name", "rank", "score"]


@pytest.mark.parametrize(
    ("model_input", "params", "message"),
    [
        (frame("user-00", "nobody"), {}, "'nobody' is unknown"),
        (frame("user-1"), {}, "did you mean 'user-"),
        (frame(None), {}, "expected an id as text"),
        (frame(1.5), {}, "expected an id as text"),
        (frame(True), {}, "expected an id as text"),
        (frame(["user-00"]), {}, "expected an id as text"),
        (frame(), {}, "got 0 users, expected 1 to 10000"),
        (frame(*["user-00"] * 10_001), {}, "got 10001 users"),
        (pd.DataFrame({"usr": ["user-00"]}), {}, r"columns are \['usr'\], expected only 'user'"),
        (pd.DataFrame({"user": ["user-00"], "x": [1]}), {}, "expected only 'user'"),
        (["user-00"], {}, "list, expected a data frame"),
        (frame("user-00"), {"k": 0}, "'k': got 0, expected a whole number, 1 to 1000"),
        (frame("user-00"), {"k": -1}, "'k': got -1"),
        (frame("user-00"), {"k": 18}, "k: got 18, expected a whole number from 1 to 17"),
        (frame("user-00"), {"k": 10**12}, "expected a whole number, 1 to 1000"),
        (frame("user-00"), {"k": 2.5}, "'k': got 2.5, expected a whole number, 1 to 1000"),
        (frame("user-00"), {"k": True}, "'k': got True"),
        (frame("user-00"), {"k": "10"}, "'k': got '10'"),
        (frame("user-00"), {"exclude_seen": "no"}, "expected true or false"),
        (frame("user-00"), {"exclude_seen": 1}, "expected true or false"),
        (frame("user-00"), {"n": 3}, "params: option 'n' is unknown"),
    ],
)
def test_nonsense_is_a_bad_request_with_a_reason(model, model_input, params, message) -> None:
    with pytest.raises(MlflowException, match=message) as caught:
        model.predict(None, model_input, params)
    assert caught.value.get_http_status_code() == 400


def test_the_size_of_an_answer_is_capped(model, monkeypatch) -> None:
    monkeypatch.setattr(module, "MAX_ANSWERS", 20)
    assert len(model.predict(None, frame("user-00", "user-01"), {"k": 10, "exclude_seen": False}))
    with pytest.raises(MlflowException, match="2 users times k = 11 is above 20") as caught:
        model.predict(None, frame("user-00", "user-01"), {"k": 11})
    assert caught.value.get_http_status_code() == 400


@pytest.fixture
def server(saved: Path, tmp_path: Path) -> Iterator[str]:
    """The real scoring server in a process group of its own, which ends with the test."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", str(saved)]
    command += ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # it runs uvicorn
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "PATH": path},
        )
    try:
        address, end = f"http://127.0.0.1:{port}", time.monotonic() + 240
        while not _answers(address):
            text = (tmp_path / "log").read_text()
            assert process.poll() is None and time.monotonic() < end, text
            time.sleep(0.5)
        yield address
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            assert process.poll() is not None  # it ended by itself
        process.wait(30)


def _answers(address: str) -> bool:
    try:
        return requests.get(f"{address}/health", timeout=5).ok
    except requests.RequestException:
        return False


@pytest.mark.slow
def test_the_server_answers_and_refuses_and_lives(server: str, bundle: Bundle) -> None:
    def post(body: object) -> requests.Response:
        return requests.post(f"{server}/invocations", json=body, timeout=60)

    def users(*ids: object, **params: object) -> dict[str, object]:
        return {"dataframe_records": [{"user": user} for user in ids], "params": params}

    good = post(users("user-03", "user-04", k=3))
    assert good.status_code == 200
    found = [tuple(row.values()) for row in good.json()["predictions"]]
    assert found == expected_rows(bundle, ["user-03", "user-04"], 3, True)
    bad = {
        "'nobody' is unknown": users("nobody"),
        "'k': got 0": users("user-00", k=0),
        "'k': got 1000000000": users("user-00", k=10**9),
        "DataType.long": users("user-00", k="many"),
        "DataType.boolean": users("user-00", exclude_seen="no"),
        "got 20000 users": users(*["user-00"] * 20_000),
        "expected an id as text": users(None),
        "missing inputs": {"dataframe_records": [{"usr": "user-00"}]},
        "exactly one of the input fields": ["user-00"],
    }
    for reason, body in bad.items():
        answer = post(body)
        assert (answer.status_code, reason in answer.text) == (400, True), answer.text[:500]
    text = requests.post(
        f"{server}/invocations",
        data=b'{"dataframe_rec',
        headers={"Content-Type": "application/json"},
        timeout=60,
    )
    assert text.status_code == 400
    assert post(users("user-03", "user-04", k=3)).json() == good.json()
