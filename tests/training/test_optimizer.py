import copy

import pytest
import torch

from mrdib_graph.errors import ConfigError
from mrdib_graph.training import TrainerConfig
from mrdib_graph.training.optimizer import build_optimizer, optimizer_class

USABLE = (
    *("adafactor", "adadelta", "adagrad", "adam", "adamax", "adamw"),
    *("asgd", "nadam", "radam", "rmsprop", "rprop", "sgd"),
)


def weights():
    torch.manual_seed(0)
    return [torch.nn.Parameter(torch.randn(4, 3)), torch.nn.Parameter(torch.randn(3))]


def build(parameters=None, **options):
    return build_optimizer(parameters or weights(), TrainerConfig(**options))


@pytest.mark.parametrize("name", USABLE)
def test_each_takes_the_steps_of_torch(name):
    ours, theirs = weights(), weights()
    built = build(ours, optimizer=name, learning_rate=0.05)
    cls = next(c for n, c in vars(torch.optim).items() if n.lower() == name)
    plain = cls(theirs, lr=0.05)
    for step in range(3):
        for mine, other in zip(ours, theirs, strict=True):
            mine.grad = torch.full_like(mine, 0.3) + step * mine.detach().sin()
            other.grad = torch.full_like(other, 0.3) + step * other.detach().sin()
        if name == "adamw":  # whose default decays the weights
            plain.param_groups[0]["weight_decay"] = 0.0
        built.step()
        plain.step()
    assert type(built) is cls
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-6)


def test_options_weight_decay_and_the_fused_kernel_reach_it():
    group = build(
        optimizer="SGD",
        optimizer_options={"momentum": 0.9, "nesterov": True},
        weight_decay=0.02,
        learning_rate=0.4,
    ).param_groups[0]
    assert (group["lr"], group["weight_decay"], group["momentum"]) == (0.4, 0.02, 0.9)
    assert group["nesterov"] is True and group["fused"] is True
    assert build(optimizer_options={"foreach": True}).param_groups[0]["fused"] is None
    group = build(optimizer_options={"betas": [0.8, 0.9]}).param_groups[0]  # as YAML reads it
    assert tuple(group["betas"]) == (0.8, 0.9)


def test_the_default_is_adam_fused():
    built = build(weight_decay=0.1)
    plain = torch.optim.Adam(weights(), lr=1e-3, weight_decay=0.1, fused=True)
    assert type(built) is torch.optim.Adam
    mine, theirs = (copy.copy(o.param_groups[0]) for o in (built, plain))
    assert {**mine, "params": 0} == {**theirs, "params": 0}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimizer": "adamm"}, "optimizer: 'adamm' is unknown; did you mean 'adam"),
        ({"optimizer": "adamm"}, "Choices: adadelta, .*sgd, .*or file.py:Class"),
        ({"optimizer": "lbfgs"}, "optimizer: LBFGS evaluates the loss several times"),
        ({"optimizer": "sparse_adam"}, "optimizer: SparseAdam needs sparse gradients"),
        ({"optimizer": "muon"}, "optimizer: Muon updates matrices alone"),
        ({"optimizer": "missing.py:Own"}, "optimizer: the file missing.py does not exist"),
        ({"optimizer": "rprop", "weight_decay": 0.1}, "weight_decay: Rprop has none"),
        (
            {"optimizer": "sgd", "optimizer_options": {"momentun": 0.9}},
            "optimizer_options of SGD: option 'momentun' is unknown; did you mean 'momentum'",
        ),
        (
            {"optimizer": "sgd", "optimizer_options": {"momentum": "high"}},
            "optimizer_options of SGD: option 'momentum': got 'high', expected a number",
        ),
        (
            {"optimizer_options": {"lr": 0.1}},
            "optimizer_options of Adam: option 'lr' has a place of its own",
        ),
    ],
)
def test_what_cannot_be_is_said(options, message):
    with pytest.raises(ConfigError, match=message):
        optimizer_class(TrainerConfig(**options))


def test_a_value_that_the_class_refuses_is_said():
    with pytest.raises(ConfigError, match="optimizer SGD: Invalid momentum value: -1"):
        build(optimizer="sgd", optimizer_options={"momentum": -1.0})


def test_one_of_a_file(tmp_path):
    path = tmp_path / "own.py"
    path.write_text("import torch\nclass Lion(torch.optim.SGD):\n    pass\n")
    assert type(build(optimizer=f"{path}:Lion")).__name__ == "Lion"
