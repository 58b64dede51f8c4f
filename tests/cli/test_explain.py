"""``mrdib-graph explain`` on a tiny finished run of a folder with ids of its own."""

import argparse
import json
import shutil
from pathlib import Path

import pytest

from mrdib_graph.cli import main
from mrdib_graph.cli.explain import add_flags, command
from mrdib_graph.experiment import Experiment, Outputs, SavedRun, run_tracking
from mrdib_graph.experiment.config import RunConfig, Settings
from mrdib_graph.explanation import explain
from mrdib_graph.tracking import Tracker
from mrdib_graph.training import TrainerConfig


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    trainer = TrainerConfig(epochs=2, batch_size=512, learning_rate=0.05)
    config = RunConfig(
        backbone=["vbpr"],
        arms=["bare", "mrdib"],
        seeds=[0],
        baselines=[],
        dataset_options={
            **{"num_users": 60, "num_items": 50, "num_interactions": 600},
            "modalities": {"image": 16, "text": 12},
            "missing": {"text": 0.2},
        },
        settings={"vbpr": Settings(embedding_dim=8, trainer=trainer)},
        profile=False,
        mlflow=False,
        quiet=True,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_tracking, "draw", lambda *given, **_: given[3])
        Experiment(config, Tracker(), lambda _: None).run(Outputs(folder))
    return folder


def test_the_flags_and_the_lines_work_apart(finished: Path) -> None:
    parser = argparse.ArgumentParser()
    add_flags(parser)
    arguments = ["--run", str(finished), "--user", "7", "--top", "2"]
    lines = command(parser.parse_args(arguments))
    assert sum(line.startswith("user 7, item ") for line in lines) == 2


def run(*arguments: object) -> int:
    return main(["explain", *map(str, arguments)])


def numbers(out: str) -> dict[str, float]:
    """The rows of a printed table."""
    lines = [line.split() for line in out.splitlines()]
    return {row[0]: float(row[1]) for row in lines if len(row) > 1 and row[1].count(".") == 1}


def test_one_item_as_a_table(finished: Path, capsys) -> None:
    assert run("--run", finished, "--user", 7, "--item", 11) == 0
    out, err = capsys.readouterr()
    assert err == ""
    restored = SavedRun(finished).restore()
    [e] = explain(restored.recommender, restored.data, [7], [11])
    first, _, title, *_ = out.splitlines()
    assert first == f"{restored.arm.label}, seed 0, on planted"
    assert title.startswith(f"user 7, item 11: score {e.score:.4f}, ")
    assert f"rank {e.rank}" in title
    table = numbers(out)
    assert set(table) == {"collaborative", "image", "text", "base", "score"}
    parts = table["base"] + sum(table[name] for name in e.contributions)
    assert parts == pytest.approx(table["score"], abs=3e-4)
    assert table["image"] == pytest.approx(e.contributions["image"], abs=1e-4)
    assert out.splitlines()[-1] == "collaborative: the item rows id"


def test_the_best_items_are_those_of_recommend(finished: Path, capsys) -> None:
    bundle = finished / "bundle"
    assert main(["recommend", "--bundle", str(bundle), "--user=3", "--k=4", "--format=json"]) == 0
    expected = json.loads(capsys.readouterr().out)
    assert run("--bundle", bundle, "--user", 3, "--top", 4, "--format", "json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [(e["item"], e["rank"]) for e in found] == [(r["item"], r["rank"]) for r in expected]
    assert [e["score"] for e in found] == pytest.approx([r["score"] for r in expected], abs=1e-5)
    for e in found:
        assert e["base"] + sum(e["contributions"].values()) == pytest.approx(e["score"], abs=1e-9)
        assert (e["user"], e["seen"], e["name"], e["seed"]) == ("3", False, None, 0)


def test_training_items_and_missing_modalities_are_said(finished: Path, capsys) -> None:
    restored = SavedRun(finished).restore()
    pairs = explain(restored.recommender, restored.data, [5] * 50, range(50))
    seen = next(e.item for e in pairs if e.seen)
    lacking = next(e.item for e in pairs if e.missing)
    assert run("--run", finished, "--user", 5, "--item", seen) == 0
    assert "in the user's training items; would be at rank" in capsys.readouterr().out
    assert run("--run", finished, "--user", 5, "--item", lacking) == 0
    [row] = [r for r in capsys.readouterr().out.splitlines() if r.startswith("text")]
    assert row.endswith("(the item has none)")


def test_another_arm_and_sampled_orders(finished: Path, capsys) -> None:
    outputs = []
    for arm in ("vbpr-bare", "vbpr-mrdib"):
        arguments = ["--run", finished, "--user", 7, "--item", 11, "--arm", arm, "--seed", 0]
        assert run(*arguments, "--permutations", 2) == 0
        outputs.append(capsys.readouterr().out)
        assert outputs[-1].startswith(f"{arm}, seed 0")
    assert numbers(outputs[0])["score"] != numbers(outputs[1])["score"]


def test_ids_cannot_drive_the_terminal(finished: Path, tmp_path: Path, capsys) -> None:
    from mrdib_graph.serving import Bundle

    folder = Path(shutil.copytree(finished, tmp_path / "run"))
    old = Bundle.load(folder / "bundle")
    ids = [*old.items.ids[:49], "z\x1b[31m\n"]
    shutil.rmtree(folder / "bundle")
    Bundle.from_tables(
        old.user_table,
        old.item_table,
        SavedRun(finished).restore().data["user", "interacts", "item"].edge_index[:, :1],
        item_ids=ids,
        item_names=["A name\n"] * 50,
        info=old.info,
    ).save(folder / "bundle")
    assert run("--run", folder, "--user", 1, "--item", ids[-1]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out and r"item z\x1b[31m\n (A name\n): score" in out


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ("--run RUN --user 7", 2, "one of the arguments --item --top is required"),
        ("--user 7 --top 3", 2, "one of the arguments --run --bundle is required"),
        ("--run RUN --bundle RUN/bundle --user 7 --top 3", 2, "not allowed with argument"),
        ("--run RUN --item 3", 2, "required: --user"),
        ("--run RUN --user 7 --items 3", 2, "did you mean '--item'?"),
        ("--run RUN --user 600 --item 3", 2, "user: '600' is unknown"),
        ("--run RUN --user 7 --item x3", 2, "item: 'x3' is unknown"),
        ("--run RUN --user 7 --top 0", 2, "k: got 0, expected a whole number from 1 to 50"),
        ("--run RUN --user 7 --top 3 --arm vbpr-br", 2, "expected one of the run's: vbpr-bare"),
        ("--run RUN --user 7 --top 3 --seed 8", 2, "seed: got 8, expected one of 0"),
        (
            "--run RUN --user 7 --top 3 --permutations 0",
            2,
            "got 0, expected a whole number, 1 or more",
        ),
        ("--run RUN/absent --user 7 --top 3", 3, "there is no config.yaml, nor such a folder"),
        ("--bundle RUN/absent --user 7 --top 3", 3, "absent: there is no such folder"),
        ("--bundle RUN/figures/.. --user 7 --top 3", 3, "no run around this bundle"),
    ],
)
def test_errors_are_short_and_have_their_status(
    finished: Path, capsys, arguments: str, status: int, message: str
) -> None:
    assert run(*arguments.replace("RUN", str(finished)).split()) == status
    out, err = capsys.readouterr()
    assert out == "" and message in err
    assert err.startswith("error: ") and len(err.splitlines()) == 1


def test_a_bundle_alone_and_a_run_without_checkpoints(finished, tmp_path, capsys) -> None:
    shutil.copytree(finished / "bundle", tmp_path / "bundle")
    assert run("--bundle", tmp_path / "bundle", "--user", 7, "--top", 1) == 3
    assert "give the run's folder with --run" in capsys.readouterr().err
    folder = Path(shutil.copytree(finished, tmp_path / "run"))
    shutil.rmtree(folder / "checkpoints")
    assert run("--run", folder, "--user", 7, "--top", 1) == 1
    assert "the checkpoint cannot be read" in capsys.readouterr().err
