"""Bad data end the main job with status 3, one message and nothing written."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

RUN = ("-m", "mrdib_graph", "run")
VBPR = ("--backbone", "vbpr")


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def damage_missing(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()


def damage_no_interactions(folder: Path) -> None:
    (folder / "shop.inter").unlink()


def damage_text_ids(folder: Path) -> None:
    (folder / "shop.inter").write_text("userID\titemID\tx_label\n0\tabc\t0\n")


def damage_columns(folder: Path) -> None:
    (folder / "shop.inter").write_text("user,item\n0,1\n")


def damage_nan(folder: Path) -> None:
    x = np.load(folder / "text_feat.npy")
    x[3, 2] = np.nan
    np.save(folder / "text_feat.npy", x)


def damage_rows(folder: Path) -> None:
    np.save(folder / "text_feat.npy", np.load(folder / "text_feat.npy")[:-1])


def damage_pickle(folder: Path) -> None:
    np.save(folder / "text_feat.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)


def damage_truncated(folder: Path) -> None:
    path = folder / "text_feat.npy"
    path.write_bytes(path.read_bytes()[:-20])


BAD_DATA = {
    damage_missing: "there is no such folder",
    damage_no_interactions: "shop.inter",
    damage_text_ids: "shop.inter",
    damage_columns: "shop.inter",
    damage_nan: "text_feat.npy",
    damage_rows: "text_feat.npy",
    damage_pickle: "text_feat.npy",
    damage_truncated: "text_feat.npy",
}


@pytest.mark.parametrize("damage", BAD_DATA, ids=lambda f: f.__name__.removeprefix("damage_"))
def test_bad_data_end_with_3_and_leave_nothing(damage, job, data_folder: Path) -> None:
    flags = (*VBPR, "--dataset", data_folder, "--seeds", "0", "--epochs", "1", "--quiet")
    flags += ("--no-profile", "--baselines", "none", "--out", "new")
    damage(data_folder)
    done = job(*flags)  # with MLflow: nothing of it may stay either
    assert (done.status, done.out) == (3, "")
    assert str(data_folder) in done.err and BAD_DATA[damage] in done.err
    assert 1 <= done.err.count("\n") <= 2 and "Traceback" not in done.err
    assert not list(Path().iterdir())


def test_a_modality_that_is_not_there(job, data_folder: Path) -> None:
    done = job(*VBPR, "--dataset", data_folder, "--modalities", "text,vidoe", "--no-mlflow")
    assert done.status == 3 and "vidoe" in done.err and "audio" in done.err


def test_bad_data_as_a_program(data_folder: Path) -> None:
    damage_nan(data_folder)
    command = [sys.executable, *RUN, *VBPR, "--dataset", str(data_folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, "--no-mlflow", "--out", "new"], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 3 and not done.stdout
    assert 1 <= done.stderr.count("\n") <= 2 and "text_feat.npy" in done.stderr
    assert not Path("new").exists()
