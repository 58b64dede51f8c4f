import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import torch

from mrdib_graph.errors import CheckpointError
from mrdib_graph.evaluation import Evaluator
from mrdib_graph.training import Callback, Interrupted, Trainer, TrainerConfig
from mrdib_graph.training import checkpoint as checkpoints

USABLE = (
    *("adafactor", "adadelta", "adagrad", "adamax", "adamw", "asgd"),
    *("nadam", "radam", "rmsprop", "rprop", "sgd"),
)
ROOT = Path(__file__).resolve().parents[2]
CLOCKS = ("train/seconds", "train/memory_mb")
MOMENTUM = {"momentum": 0.9}
ARMS = [
    ("lightgcn", "bare", {}),
    ("vbpr", "bare", {}),
    ("vbpr", "gaussian", {}),
    ("vbpr", "mine", {"lr_decay": 0.1}),
    ("vbpr", "noise", {}),
    ("vbpr", "id_dropout", {"num_negatives": 2}),
    ("lattice", "bare", {}),
    ("lattice", "bare", {"zero_grad": "zeros"}),
    ("lattice", "mine", {}),
    ("lattice", "stochastic", {"eval_every": 2}),
    ("lattice", "modality_dropout", {}),
    ("vbpr", "free_bits", {"num_negatives": 2}),
    ("lattice", "free_bits", {"eval_every": 2}),
    ("vbpr", "mine", {"schedule": "cosine", "warmup_epochs": 2, "lr_decay": 0.1}),
    ("lattice", "bare", {"schedule": "linear", "clip_norm": 0.05}),
    ("lattice", "mine", {"average": "ema", "ema_decay": 0.7, "average_after": 1}),
    ("lattice", "bare", {"average": "swa", "average_after": 1, "eval_every": 2}),
    (
        "vbpr",
        "mine",
        {"average": "swa", "optimizer": "sgd", "optimizer_options": MOMENTUM},
    ),
    ("lattice", "mine", {"autocast": "bfloat16", "average": "ema", "clip_norm": 1.0}),
    ("lattice", "bare", {"optimizer": "sgd", "zero_grad": "zeros", "weight_decay": 0.1}),
    ("lattice", "mine", {"optimizer": "adagrad", "zero_grad": "zeros", "weight_decay": 0.1}),
]


def config(**options):
    base = {"epochs": 4, "batch_size": 32, "learning_rate": 0.02, "monitor": "recall@5"}
    return TrainerConfig(**{**base, "device": "cpu", **options})


def bare_history(history):
    return [{k: v for k, v in metrics.items() if k not in CLOCKS} for metrics in history]


def assert_same(recommender, result, other, other_result):
    """Everything but clocks and memory, bit for bit."""
    assert bare_history(result.history) == bare_history(other_result.history)
    assert (result.best_epoch, result.epochs) == (other_result.best_epoch, other_result.epochs)
    assert (result.val, result.test) == (other_result.val, other_result.test)
    assert torch.equal(result.test_result.ranks, other_result.test_result.ranks)
    left, right = recommender.state_dict(), other.state_dict()
    assert left.keys() == right.keys()
    for name, value in left.items():
        assert torch.equal(value, right[name]), name


def run_with_interrupts(make, data, loader_class, settings, path, at):
    """Train, and start again from the checkpoint with other weights after every interrupt."""
    taken, interrupts = [], 0
    while True:
        recommender = make(seed=100 + interrupts)  # all that counts is in the checkpoint
        loader = loader_class(
            data, at, taken, batch_size=settings.batch_size, num_negatives=settings.num_negatives
        )
        if interrupts == 0:
            recommender = make(seed=0)
        try:
            result = Trainer(settings, quiet=True).fit(
                recommender, data, loader, checkpoint=path, resume=True
            )
        except Interrupted:
            interrupts += 1
            continue
        assert len(taken) == 4 * len(loader), "a step was taken twice or left out"
        return recommender, result, interrupts


@pytest.mark.parametrize(("backbone", "arm", "options"), ARMS)
def test_interrupted_inside_epochs_resumes_bit_for_bit(
    tiny, make_recommender, interrupting_loader, tmp_path, backbone, arm, options
):
    settings = config(**options)

    def make(seed):
        return make_recommender(tiny, backbone, arm, seed)

    whole = make(0)
    expected = Trainer(settings, quiet=True).fit(whole, tiny)
    # first step of all, inside two epochs, twice in a row, the last of an epoch, the very last
    at = [0, 9, 10, 13, 17, 27]
    recommender, result, interrupts = run_with_interrupts(
        make, tiny, interrupting_loader, settings, tmp_path / "checkpoint.pt", at
    )
    assert interrupts == len(at)
    assert_same(recommender, result, whole, expected)


@pytest.mark.parametrize("place", ["step", "evaluation", "callback", "last evaluation"])
def test_the_checkpoint_holds_whole_epochs_whenever_the_signal_comes(
    tiny, make_recommender, interrupting_loader, tmp_path, place
):
    path, recommender = tmp_path / "checkpoint.pt", make_recommender(tiny, "vbpr", "mine")

    class Interrupting(Evaluator):
        calls = 0

        def __call__(self, *args):
            self.calls += 1
            if (place, self.calls) in (("evaluation", 2), ("last evaluation", 4)):
                signal.raise_signal(signal.SIGINT)
            return super().__call__(*args)

    class Epochs(Callback):
        def on_epoch_end(self, epoch, metrics, recommender):
            return {"extra/epoch": float(epoch)}

    class Pressing(Epochs):
        def on_epoch_end(self, epoch, metrics, recommender):
            if place == "callback" and epoch == 1:
                signal.raise_signal(signal.SIGINT)
            return super().on_epoch_end(epoch, metrics, recommender)

    Pressing.__name__ = "Epochs"  # the checkpoint knows callbacks by name
    loader = interrupting_loader(tiny, [13] if place == "step" else [], [], batch_size=32)
    trainer = Trainer(config(), Interrupting(tiny), quiet=True, callbacks=[Pressing])
    with pytest.raises(Interrupted):
        trainer.fit(recommender, tiny, loader, checkpoint=path)
    saved = checkpoints.load(path)
    epochs = 4 if place == "last evaluation" else 2
    assert (saved["epoch"], saved["step"], len(saved["history"])) == (epochs, 0, epochs)
    assert all("val/recall@5" in m and "extra/epoch" in m for m in saved["history"])

    whole, resumed = make_recommender(tiny, "vbpr", "mine"), make_recommender(tiny, "vbpr", "mine")
    trainer = Trainer(config(), quiet=True, callbacks=[Epochs])
    expected = trainer.fit(whole, tiny)
    result = trainer.fit(resumed, tiny, checkpoint=path, resume=True)
    assert_same(resumed, result, whole, expected)


@pytest.mark.parametrize("optimizer", USABLE)
def test_every_optimizer_resumes_bit_for_bit(
    tiny, make_recommender, interrupting_loader, tmp_path, optimizer
):
    settings = config(optimizer=optimizer)
    whole = make_recommender(tiny)
    expected = Trainer(settings, quiet=True).fit(whole, tiny)
    recommender, result, interrupts = run_with_interrupts(
        lambda seed: make_recommender(tiny, seed=seed),
        *(tiny, interrupting_loader, settings, tmp_path / "checkpoint.pt", [0, 9]),
    )
    assert interrupts == 2
    assert_same(recommender, result, whole, expected)


@pytest.mark.parametrize("schedule", ["cosine", "linear"])
def test_other_epochs_are_refused_where_the_schedule_follows_from_them(
    tiny, make_recommender, tmp_path, schedule
):
    path = tmp_path / "checkpoint.pt"
    settings = config(schedule=schedule)
    Trainer(settings, quiet=True).fit(make_recommender(tiny), tiny, checkpoint=path)
    message = f"written with epochs=4, this run has 6, and the schedule '{schedule}' follows from"
    with pytest.raises(CheckpointError, match=message):
        Trainer(settings, quiet=True, epochs=6).fit(
            make_recommender(tiny), tiny, checkpoint=path, resume=True
        )


def test_a_checkpoint_from_before_there_were_options_goes_on(tiny, make_recommender, tmp_path):
    path, settings = tmp_path / "checkpoint.pt", config(zero_grad="zeros", epochs=2)
    Trainer(settings, quiet=True).fit(make_recommender(tiny, "lattice"), tiny, checkpoint=path)
    saved = checkpoints.load(path)
    old = ("optimizer", "optimizer_options", "schedule", "warmup_epochs", "clip_norm", "average")
    old += ("average_after", "ema_decay", "autocast", "callbacks")
    before = {name: value for name, value in saved["config"].items() if name not in old}
    for name in ("with_gradient", "average", "callbacks", "stopped"):
        del saved[name]
    checkpoints.save({**saved, "config": before}, path)
    whole, resumed = make_recommender(tiny, "lattice"), make_recommender(tiny, "lattice", seed=3)
    longer = config(zero_grad="zeros")
    expected = Trainer(longer, quiet=True).fit(whole, tiny)
    result = Trainer(longer, quiet=True).fit(resumed, tiny, checkpoint=path, resume=True)
    assert_same(resumed, result, whole, expected)
    checkpoints.save({**saved, "config": before}, path)
    with pytest.raises(CheckpointError, match="written with optimizer='adam', this run has 'sgd'"):
        Trainer(longer, quiet=True, optimizer="sgd").fit(
            make_recommender(tiny, "lattice"), tiny, checkpoint=path, resume=True
        )


def test_an_interrupt_without_a_checkpoint_still_stops(tiny, make_recommender, interrupting_loader):
    taken = []
    loader = interrupting_loader(tiny, [3], taken, batch_size=32)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted):
        Trainer(config(), quiet=True).fit(make_recommender(tiny), tiny, loader)
    assert len(taken) == 4
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("free", [{"epochs": 6}, {"patience": 50, "checkpoint_seconds": 0}])
def test_a_finished_run_goes_on_where_it_may(tiny, make_recommender, tmp_path, free):
    path, recommender = tmp_path / "checkpoint.pt", make_recommender(tiny)
    first = Trainer(config(), quiet=True).fit(recommender, tiny, checkpoint=path)
    again = make_recommender(tiny, seed=3)
    result = Trainer(config(**free), quiet=True).fit(again, tiny, checkpoint=path, resume=True)
    if "epochs" in free:
        whole = make_recommender(tiny)
        assert_same(again, result, whole, Trainer(config(**free), quiet=True).fit(whole, tiny))
    else:
        assert_same(again, result, recommender, first)


def test_changed_settings_are_refused_and_the_checkpoint_stays(tiny, make_recommender, tmp_path):
    path = tmp_path / "checkpoint.pt"
    Trainer(config(), quiet=True).fit(make_recommender(tiny), tiny, checkpoint=path)
    before = path.read_bytes()
    for change in ({"learning_rate": 0.5}, {"seed": 1}, {"batch_size": 16}):
        with pytest.raises(CheckpointError, match=f"written with {next(iter(change))}="):
            Trainer(config(**change), quiet=True).fit(
                make_recommender(tiny), tiny, checkpoint=path, resume=True
            )
    with pytest.raises(CheckpointError, match="of another model"):
        Trainer(config(), quiet=True).fit(
            make_recommender(tiny, "lightgcn"), tiny, checkpoint=path, resume=True
        )
    assert path.read_bytes() == before


def test_fewer_epochs_than_the_first_evaluation_needs_is_refused(
    tiny, make_recommender, interrupting_loader, tmp_path
):
    path, settings = tmp_path / "checkpoint.pt", config(eval_every=3)
    loader = interrupting_loader(tiny, [8], [], batch_size=32)
    with pytest.raises(Interrupted):
        Trainer(settings, quiet=True).fit(make_recommender(tiny), tiny, loader, checkpoint=path)
    saved = checkpoints.load(path)
    checkpoints.save({**saved, "step": 0}, path)  # epoch 1, not evaluated
    with pytest.raises(CheckpointError, match="before its first evaluation.*epochs=1"):
        Trainer(config(eval_every=3, epochs=1), quiet=True).fit(
            make_recommender(tiny), tiny, checkpoint=path, resume=True
        )


KILLED = """
    import importlib.util, sys
    from pathlib import Path

    import torch

    folder = Path(sys.argv[1])

    def load(name, path):
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    tests = Path(sys.argv[2])
    tiny = load("tiny_conftest", tests / "conftest.py").build_tiny()
    build = load("training_conftest", tests / "training/conftest.py").build
    from mrdib_graph.training import Trainer

    recommender = build(tiny, "lattice", "mine", seed=int(sys.argv[3]))
    trainer = Trainer(
        quiet=True, epochs=60, patience=100, batch_size=32, learning_rate=0.01, monitor="recall@5",
        checkpoint_seconds=0, device="cpu",
    )
    print("start", flush=True)
    result = trainer.fit(
        recommender, tiny, checkpoint=folder / "checkpoint.pt", resume=True,
    )
    history = [
        {k: v for k, v in m.items() if k not in ("train/seconds", "train/memory_mb")}
        for m in result.history
    ]
    out = {"history": history, "test": result.test, "weights": recommender.state_dict()}
    torch.save(out, folder / "result.pt")
"""


def start(script, folder, seed):
    command = [sys.executable, str(script), str(folder), str(ROOT / "tests"), str(seed)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "start\n"
    return process


@pytest.mark.slow
def test_killed_at_random_moments_resumes_bit_for_bit(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(textwrap.dedent(KILLED))
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    process = start(script, whole, seed=0)
    started = time.monotonic()
    assert process.wait(300) == 0
    process.stdout.close()
    duration = time.monotonic() - started

    moments = torch.rand(6, generator=torch.Generator().manual_seed(0)).tolist()
    epochs = []
    for number, moment in enumerate(moments):
        process = start(script, killed, seed=number if epochs else 0)
        time.sleep(moment * duration / len(moments))
        process.send_signal(signal.SIGKILL)
        process.wait(60)
        process.stdout.close()
        if (killed / "checkpoint.pt").is_file():
            epochs.append(checkpoints.load(killed / "checkpoint.pt")["epoch"])
    assert epochs and epochs == sorted(epochs) and epochs[0] < 60
    process = start(script, killed, seed=99)
    assert process.wait(300) == 0
    process.stdout.close()

    expected, result = (torch.load(f / "result.pt", weights_only=True) for f in (whole, killed))
    assert result["history"] == expected["history"] and len(expected["history"]) == 60
    assert result["test"] == expected["test"]
    for name, value in expected["weights"].items():
        assert torch.equal(result["weights"][name], value), name
