import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR

from mrdib_graph.training import TrainerConfig
from mrdib_graph.training.schedule import learning_rate

STEPS = 5


def rates(config, steps=STEPS):
    return [
        learning_rate(config, epoch, step, steps)
        for epoch in range(config.epochs)
        for step in range(steps)
    ]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [1, 1, 1, 1, 1, 1]),
        ({"warmup_epochs": 2}, [0.25, 0.5, 0.75, 1, 1, 1]),
        ({"schedule": "linear"}, [1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6]),
        ({"schedule": "linear", "warmup_epochs": 1}, [0.5, 1, 1, 0.75, 0.5, 0.25]),
        ({"schedule": "cosine"}, [1, 0.9330127, 0.75, 0.5, 0.25, 0.0669873]),
        ({"schedule": "cosine", "warmup_epochs": 2}, [0.25, 0.5, 0.75, 1, 1, 0.5]),
        ({"lr_decay": 0.25**50}, [1, 1, 0.25, 0.25, 0.0625, 0.0625]),
        (
            {"lr_decay": 0.25**50, "schedule": "linear", "warmup_epochs": 1},
            [0.5, 1, 0.25, 0.1875, 0.03125, 0.015625],
        ),
    ],
)
def test_three_epochs_of_two_steps_by_hand(options, expected):
    config = TrainerConfig(epochs=3, learning_rate=0.1, **options)
    assert rates(config, steps=2) == pytest.approx([0.1 * share for share in expected])


@pytest.mark.parametrize("warmup", [0, 2])
@pytest.mark.parametrize("schedule", ["none", "cosine", "linear"])
def test_the_rates_are_those_of_torch(schedule, warmup):
    config = TrainerConfig(epochs=6, learning_rate=0.3, schedule=schedule, warmup_epochs=warmup)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3)
    first, rest = warmup * STEPS, (6 - warmup) * STEPS
    after = {
        "none": lambda: LinearLR(optimizer, 1.0, 1.0),
        "cosine": lambda: CosineAnnealingLR(optimizer, rest),
        "linear": lambda: LinearLR(optimizer, 1.0, 0.0, rest),
    }[schedule]
    if warmup:
        rising = LinearLR(optimizer, 1 / first, 1.0, first - 1)
        theirs = SequentialLR(optimizer, [rising, after()], [first])
    else:
        theirs = after()
    expected = []
    for _ in range(6 * STEPS):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        theirs.step()
    assert rates(config) == pytest.approx(expected, rel=1e-6)


def test_the_default_is_the_learning_rate_to_the_bit():
    config = TrainerConfig(epochs=7, learning_rate=0.0123, lr_decay=0.96)
    assert rates(config) == [0.0123 * 0.96 ** (e / 50) for e in range(7) for _ in range(STEPS)]


@pytest.mark.parametrize("schedule", ["cosine", "linear"])
def test_every_step_has_a_rate_above_zero(schedule):
    config = TrainerConfig(epochs=4, schedule=schedule, warmup_epochs=3)
    assert all(0 < rate <= config.learning_rate for rate in rates(config, steps=1))
