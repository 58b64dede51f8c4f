# ruff: noqa: ARG002
import pytest
import torch
from torch import Generator, Tensor

from mrdib_graph import estimators, resolver
from mrdib_graph.errors import ConfigError
from mrdib_graph.estimators import CLUB, HSIC, MINE, Gaussian, InfoNCE, MIEstimator
from mrdib_graph.estimators.mi_estimator import derangement, frozen, some_rows
from mrdib_graph.testing.estimators import gaussian_information, gaussian_pair

ALL = [MINE, CLUB, InfoNCE, Gaussian, HSIC]
LEARNED = [MINE, CLUB, InfoNCE]


class Dot(MIEstimator):
    """Nothing learned: the base class supplies the learning loss."""

    def forward(self, z1: Tensor, z2: Tensor, generator: Generator | None = None) -> Tensor:
        z1, z2 = self.codes(z1, z2)
        return (z1 * z2).mean()


def codes(n: int = 64, d: int = 6, seed: int = 0) -> tuple[Tensor, Tensor]:
    z1, noise = torch.randn(2, n, d, generator=Generator().manual_seed(seed))
    return z1.requires_grad_(), (0.6 * z1.detach() + 0.8 * noise).requires_grad_()


def test_names_resolve_to_the_classes():
    known = resolver.choices(estimators, MIEstimator)
    assert known == {
        "mine": MINE,
        "club": CLUB,
        "infonce": InfoNCE,
        "gaussian": Gaussian,
        "hsic": HSIC,
    }


def test_all_but_hsic_are_in_nats():
    assert [cls for cls in ALL if not cls.in_nats] == [HSIC]


def test_base_is_abstract_and_gives_a_constant_zero():
    with pytest.raises(TypeError, match="abstract"):
        MIEstimator(4)
    loss = Dot(6).learning_loss(*codes())
    assert loss.shape == () and loss == 0 and not loss.requires_grad


@pytest.mark.parametrize("cls", ALL)
def test_bad_shapes_are_refused_by_both_scalars(cls):
    estimator = cls(6)
    good = torch.zeros(4, 6)
    for z1, z2 in (
        (good, torch.zeros(5, 6)),
        (torch.zeros(4, 5), torch.zeros(4, 5)),
        (good[:1], good[:1]),
        (good[0], good[0]),
    ):
        with pytest.raises(ConfigError, match=rf"{cls.__name__}: z1 has shape.*\[n, 6\]"):
            estimator(z1, z2)
        with pytest.raises(ConfigError, match="expected"):
            estimator.learning_loss(z1, z2)


@pytest.mark.parametrize(
    ("cls", "options"),
    [
        (MINE, {"ema_rate": 0.0}),
        (MINE, {"ema_rate": 1.0}),
        (CLUB, {"floor": 0.0}),
        (Gaussian, {"floor": -1.0}),
        (Gaussian, {"ridge": 0.0}),
        (Gaussian, {"embedding_dim": 0}),
        (InfoNCE, {"max_rows": 1}),
        (HSIC, {"max_rows": 3}),
        (HSIC, {"floor": 0.0}),
    ],
)
def test_options_out_of_range_are_named(cls, options):
    (name,) = options
    with pytest.raises(ConfigError, match=f"^{name}: got"):
        cls(**{"embedding_dim": 4, **options})


@pytest.mark.parametrize("cls", ALL)
def test_gradients_stay_on_their_side(cls):
    estimator, (z1, z2) = cls(6), codes()
    estimator(z1, z2).backward()
    assert z1.grad.any() and z2.grad.any()
    assert all(p.grad is None for p in estimator.parameters())
    z1.grad = z2.grad = None
    loss = estimator.learning_loss(z1, z2)
    assert loss.requires_grad == (cls in LEARNED)
    if cls in LEARNED:
        loss.backward()
        assert all(p.grad is not None for p in estimator.parameters())
    assert z1.grad is None and z2.grad is None


@pytest.mark.parametrize("cls", LEARNED)
def test_critic_step_does_not_depend_on_alpha(cls):
    def critic_after_a_step(alpha: float) -> list[Tensor]:
        torch.manual_seed(0)
        estimator, encoder = cls(6), torch.nn.Linear(6, 6)
        optimizer = torch.optim.Adam([*estimator.parameters(), *encoder.parameters()], lr=0.01)
        generator = Generator().manual_seed(1)
        x1, x2 = codes()
        z1 = encoder(x1)
        total = alpha * estimator(z1, x2, generator)
        total = total + estimator.learning_loss(z1, x2, generator)
        total.backward()
        optimizer.step()
        assert alpha == 0 or encoder.weight.grad.any()
        return [p.detach() for p in estimator.parameters()]

    reference = critic_after_a_step(0.0)
    for alpha in (0.05, 1000.0):
        for p, q in zip(critic_after_a_step(alpha), reference, strict=True):
            assert torch.equal(p, q)


@pytest.mark.parametrize("cls", ALL)
def test_encoders_descend_where_the_critic_is_trained_beside_them(cls):
    """One optimizer, one total: the measured dependence of the codes falls and stays finite."""
    torch.manual_seed(0)
    generator = Generator().manual_seed(1)
    shared, own = torch.randn(2, 512, 2, generator=generator)
    x1 = torch.cat([shared, own], 1)
    x2 = torch.cat([shared, torch.randn(512, 2, generator=generator)], 1)
    encoder = torch.nn.Linear(4, 2, bias=False)
    estimator, judge, target = cls(2), Gaussian(2), x2[:, :2]
    optimizer = torch.optim.Adam([*encoder.parameters(), *estimator.parameters()], lr=0.01)
    with torch.no_grad():
        encoder.weight.copy_(torch.eye(2, 4))
        start = judge(encoder(x1), target)
    for _ in range(1000 if cls is CLUB else 300):
        z1 = encoder(x1)
        keep_scale = (z1.std(0) - 1).square().sum()
        total = estimator(z1, target, generator) + estimator.learning_loss(z1, target, generator)
        optimizer.zero_grad()
        (total + keep_scale).backward()
        optimizer.step()
    end = judge(encoder(x1), target)
    assert start > 3 and end < 0.25


@pytest.mark.parametrize("cls", ALL)
def test_a_first_code_of_another_width(cls):
    torch.manual_seed(0)
    estimator, (z1, z2) = cls(6, first_dim=9), codes()
    wide = torch.cat([z1.detach(), torch.zeros(64, 3)], 1).requires_grad_()
    value = estimator(wide, z2, Generator().manual_seed(1))
    loss = estimator.learning_loss(wide, z2, Generator().manual_seed(1))
    (value + loss).backward()
    assert value.isfinite() and wide.grad[:, :6].any() and z2.grad.any()
    assert all(p.grad is not None for p in estimator.parameters())
    for first, second in ((z1, z2), (wide, wide), (wide[:5], z2)):
        with pytest.raises(ConfigError, match=r"expected \[n, 9\] and \[n, 6\] with one n >= 2"):
            estimator(first, second)
    same, plain = cls(6, first_dim=6), cls(6)
    same.load_state_dict(plain.state_dict())
    values = [e(z1, z2, Generator().manual_seed(1)) for e in (same, plain)]
    assert torch.equal(*values)
    with pytest.raises(ConfigError, match="first_dim: got 0, expected a whole number, 1 or more"):
        cls(6, first_dim=0)


@pytest.mark.parametrize(("cls", "limit"), [(MINE, 0.673), (InfoNCE, 0.673), (CLUB, 1.922)])
def test_a_wide_critic_learns_the_value(cls, limit):
    """Two of six columns tell the second code, at a correlation of .7 each: .67 nats.

    CLUB's limit there is r^2 / (1 - r^2) a column.
    """
    torch.manual_seed(0)
    generator = Generator().manual_seed(1)
    estimator = cls(2, first_dim=6)
    optimizer = torch.optim.Adam(estimator.parameters(), lr=5e-3)

    def draw():
        told, z2 = gaussian_pair(256, 2, 0.7, generator)
        return torch.cat([torch.randn(256, 4, generator=generator), told], 1), z2

    for _ in range(400):
        optimizer.zero_grad()
        estimator.learning_loss(*draw(), generator).backward()
        optimizer.step()
    estimator.eval()
    mean = torch.stack([estimator(*draw(), generator) for _ in range(30)]).mean().item()
    assert gaussian_information(2, 0.7) == pytest.approx(0.673, abs=1e-3)
    low, high = (0.6, 1.05) if cls.bound == "lower" else (0.9, 1.15)
    assert low * limit < mean < high * limit


@pytest.mark.parametrize("cls", ALL)
def test_half_precision_codes_and_autocast_stay_near_float32(cls):
    torch.manual_seed(0)
    estimator, (z1, z2) = cls(6), codes(256)
    exact = estimator(z1, z2, Generator().manual_seed(1))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under = estimator(z1, z2, Generator().manual_seed(1))
        loss = estimator.learning_loss(z1, z2, Generator().manual_seed(1))
    low = estimator(z1.bfloat16(), z2.bfloat16(), Generator().manual_seed(1))
    for value in (under, low):
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, exact, rtol=0.03, atol=0.01)
    assert loss.dtype == torch.float32 and loss.isfinite()


@pytest.mark.parametrize("cls", ALL)
def test_state_survives_a_round_trip(cls):
    torch.manual_seed(0)
    first, second, (z1, z2) = cls(6), cls(6), codes()
    first.learning_loss(z1, z2)
    second.load_state_dict(first.state_dict())
    seeds = [Generator().manual_seed(1), Generator().manual_seed(1)]
    assert torch.equal(first(z1, z2, seeds[0]), second(z1, z2, seeds[1]))


def test_frozen_gives_the_module_value_without_parameter_gradients():
    layer, x = torch.nn.Linear(3, 2), torch.randn(4, 3, requires_grad=True)
    out = frozen(layer, x)
    assert torch.equal(out, layer(x))
    out.sum().backward()
    assert torch.allclose(x.grad, layer.weight.detach().sum(0).expand(4, 3))
    assert layer.weight.grad is None and layer.bias.grad is None
    assert layer.weight.requires_grad


def test_some_rows_are_the_same_of_both_codes_without_repeats():
    z1 = torch.arange(50.0)[:, None]
    a, b = some_rows(z1, -z1, 20, Generator().manual_seed(0))
    assert a.shape == (20, 1) and torch.equal(a, -b) and len(a.unique()) == 20
    again, _ = some_rows(z1, -z1, 20, Generator().manual_seed(0))
    other, _ = some_rows(z1, -z1, 20, Generator().manual_seed(1))
    assert torch.equal(a, again) and not torch.equal(a, other)
    for few in (20, 50, 51):  # nothing is drawn where all are kept
        generator = Generator().manual_seed(0)
        kept, _ = some_rows(z1, -z1, few, generator)
        drawn = not torch.equal(generator.get_state(), Generator().manual_seed(0).get_state())
        assert drawn == (few == 20) and (drawn or kept is z1)


def test_derangement_is_one_cycle_without_fixed_points():
    device = torch.device("cpu")
    for n in (2, 3, 10, 101):
        generator = Generator().manual_seed(n)
        for _ in range(20):
            other = derangement(n, device, generator)
            seen, row = set(), 0
            while row not in seen:
                seen.add(row)
                row = int(other[row])
            assert len(seen) == n
    draws = [derangement(50, device, Generator().manual_seed(s)) for s in (0, 0, 1)]
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])


def test_derangement_reaches_every_other_row_equally_often():
    generator = Generator().manual_seed(0)
    counts = torch.zeros(4, 4)
    for _ in range(3000):
        counts[torch.arange(4), derangement(4, torch.device("cpu"), generator)] += 1
    assert not counts.diagonal().any()
    assert (counts + 1000 * torch.eye(4) - 1000).abs().max() < 130  # 5 standard deviations
