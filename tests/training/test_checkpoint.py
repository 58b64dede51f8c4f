import multiprocessing
import os
import resource
import signal
import sys
from pathlib import Path

import pytest
import torch

from mrdib_graph.errors import CheckpointError
from mrdib_graph.training import checkpoint

FORK = multiprocessing.get_context("fork")


@pytest.fixture
def state():
    return {
        "model": {"weight": torch.randn(40, 8, generator=torch.Generator().manual_seed(0))},
        "half": torch.arange(5, dtype=torch.bfloat16),
        "generator": torch.Generator().manual_seed(3).get_state(),
        "history": [{"train/loss": 0.1, "val/recall@20": 1 / 3}],
        "best_value": -float("inf"),
        "epoch": 7,
        "name": "é",
    }


def in_child(function, *args):
    """Run in a forked process; its exit code, minus the signal's number where it was killed."""
    process = FORK.Process(target=function, args=args)
    process.start()
    process.join(60)
    return process.exitcode


def test_round_trip_keeps_values_types_and_bits(tmp_path, state):
    path = tmp_path / "deep" / "er" / "checkpoint.pt"
    checkpoint.save(state, path)
    loaded = checkpoint.load(path)
    assert loaded.keys() == state.keys()
    assert torch.equal(loaded["model"]["weight"], state["model"]["weight"])
    assert loaded["half"].dtype == torch.bfloat16
    assert torch.equal(loaded["generator"], state["generator"])
    for name in ("history", "best_value", "epoch", "name"):
        assert loaded[name] == state[name]
    assert list(path.parent.iterdir()) == [path], "a temporary file was left"


def test_saving_again_replaces(tmp_path, state):
    path = tmp_path / "checkpoint.pt"
    checkpoint.save(state, path)
    checkpoint.save({**state, "epoch": 8}, path)
    assert checkpoint.load(path)["epoch"] == 8
    assert list(tmp_path.iterdir()) == [path]


def test_a_changed_byte_anywhere_is_noticed(tmp_path, state):
    path = tmp_path / "checkpoint.pt"
    checkpoint.save(state, path)
    whole = path.read_bytes()
    places = torch.randint(len(whole), (60,), generator=torch.Generator().manual_seed(1)).tolist()
    for place in [0, 24, 25, 60, 89, 90, len(whole) - 1, *places]:
        damaged = bytearray(whole)
        damaged[place] ^= 0x10
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match=r"checkpoint\.pt: .*(damaged|not a checkpoint)"):
            checkpoint.load(path)


@pytest.mark.parametrize("keep", [0, 10, 25, 60, 90, 91, 2000, -1])
def test_a_truncated_file_is_noticed(tmp_path, state, keep):
    path = tmp_path / "checkpoint.pt"
    checkpoint.save(state, path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match=r"checkpoint\.pt: .*(damaged|not a checkpoint)"):
        checkpoint.load(path)


def test_other_files_are_not_checkpoints(tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("epoch: 3\n" * 50)
    with pytest.raises(CheckpointError, match=r"notes\.txt: not a checkpoint"):
        checkpoint.load(text)
    plain = tmp_path / "plain.pt"
    torch.save({"epoch": 3}, plain)
    with pytest.raises(CheckpointError, match=r"plain\.pt: not a checkpoint"):
        checkpoint.load(plain)
    with pytest.raises(CheckpointError, match=r"absent\.pt: the checkpoint cannot be read"):
        checkpoint.load(tmp_path / "absent.pt")
    with pytest.raises(CheckpointError, match="cannot be read"):
        checkpoint.load(tmp_path)


class Executes:
    """Unpickling it would create a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_nothing_in_the_file_is_executed(tmp_path):
    proof, path = tmp_path / "proof", tmp_path / "checkpoint.pt"
    checkpoint.save({"model": Executes(proof)}, path)
    with pytest.raises(CheckpointError, match=r"checkpoint\.pt: not a checkpoint of this library"):
        checkpoint.load(path)
    assert not proof.exists()


def test_a_folder_that_is_a_file_is_named(tmp_path, state):
    (tmp_path / "file").write_text("x")
    with pytest.raises(CheckpointError, match=r"checkpoint\.pt: the checkpoint of .* MB cannot"):
        checkpoint.save(state, tmp_path / "file" / "checkpoint.pt")
    assert (tmp_path / "file").read_text() == "x"


def test_a_target_that_is_a_folder_is_named_and_nothing_is_left(tmp_path, state):
    (tmp_path / "checkpoint.pt").mkdir()
    with pytest.raises(CheckpointError, match=r"checkpoint\.pt: the checkpoint of .* MB cannot"):
        checkpoint.save(state, tmp_path / "checkpoint.pt")
    assert list(tmp_path.iterdir()) == [tmp_path / "checkpoint.pt"]


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_read_only_folder_is_named(tmp_path, state):
    path = tmp_path / "checkpoint.pt"
    checkpoint.save(state, path)
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(CheckpointError, match="Permission denied"):
            checkpoint.save({**state, "epoch": 8}, path)
        assert checkpoint.load(path)["epoch"] == 7
    finally:
        tmp_path.chmod(0o700)


def save_with_a_size_limit(state, path):
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    try:
        checkpoint.save({**state, "epoch": 8}, path)
    except CheckpointError as error:
        sys.exit(0 if "File too large" in str(error) else 2)
    sys.exit(1)


def test_a_file_size_limit_leaves_the_previous_checkpoint(tmp_path, state):
    path = tmp_path / "checkpoint.pt"
    checkpoint.save(state, path)
    assert in_child(save_with_a_size_limit, state, path) == 0
    assert checkpoint.load(path)["epoch"] == 7
    assert list(tmp_path.iterdir()) == [path]


def save_and_die(state, path, moment):
    def die(*_):
        os.kill(os.getpid(), signal.SIGKILL)

    if moment == "half written":
        digest = checkpoint.hashlib.sha256

        def write_half(payload):
            Path(f"{path}.0.part").write_bytes(bytes(payload[: len(payload) // 2]))
            die()
            return digest(payload)

        checkpoint.hashlib.sha256 = write_half
    elif moment == "before sync":
        os.fsync = die
    else:
        Path.replace = die
    checkpoint.save({**state, "epoch": 8}, path)
    sys.exit(0)


@pytest.mark.parametrize("moment", ["half written", "before sync", "before rename"])
def test_a_process_killed_while_writing_leaves_the_previous_one(tmp_path, state, moment):
    path = tmp_path / "checkpoint.pt"
    checkpoint.save(state, path)
    before = path.read_bytes()
    assert in_child(save_and_die, state, path, moment) == -signal.SIGKILL
    assert path.read_bytes() == before
    assert any(file.suffix == ".part" for file in tmp_path.iterdir()), "it died before writing"
    assert checkpoint.load(path)["epoch"] == 7
    checkpoint.save({**state, "epoch": 9}, path)
    assert checkpoint.load(path)["epoch"] == 9
