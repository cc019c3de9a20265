import json
import math
import sys

import pytest
import torch
from torch import Tensor, nn

from assets.translation.optimization import rate_factor
from tests.benchmarks import translators
from tests.benchmarks.translators import main, peak_in_a_fresh_process
from tests.benchmarks.translators_cases import METHODS, PUBLISHED, Method, Side, Sizes, images, ours, plain, plan_of
from tests.benchmarks.translators_plain import RATE, Discriminator, Generator, PatchMlp, patch_nce

# A pool of two is full after two steps, so that later ones swap.
SMALL = Sizes(size=32, width=4, blocks=5, judge_width=4, judge_layers=2, patches=32, dimensions=16, pool=2)
STEPS = 6


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def _count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("blurred", [False, True])
def test_plain_generators_have_the_published_parameters(blurred: bool) -> None:
    with torch.device("meta"):
        assert _count(Generator(64, 9, blurred=blurred)) == 11_365_633
        assert _count(Generator(64, 6, blurred=blurred)) == 7_825_153
        # 50 w + 49 w + 1 + 180 w^2 + 9 w + 6 (288 w^2 + 8 w) with w = 32.
        assert _count(Generator(32, 6, blurred=blurred)) == 1_958_785


def test_plain_discriminator_and_projector_have_the_published_parameters() -> None:
    with torch.device("meta"):
        assert _count(Discriminator(64)) == 2_762_689
        assert _count(PatchMlp([1, 128, 256, 256, 256], 256)) == 559_872
    assert Discriminator(2)(torch.zeros(1, 1, 256, 256)).shape == (1, 1, 30, 30)


def test_plain_features_have_the_published_shapes() -> None:
    features = Generator(1, 9, blurred=True).encode(torch.zeros(1, 1, 256, 256), (0, 4, 8, 12, 16))
    shapes = [tuple(feature.shape[1:]) for feature in features]
    assert shapes == [(1, 262, 262), (2, 256, 256), (4, 128, 128), (4, 64, 64), (4, 64, 64)]


def _spread_out(side: Side) -> None:
    """Larger weights and biases that are not zero.

    At the start biases are zero, and the projection of a single channel points in one direction whatever its value: its
    gradient is 0, computed as the difference of large numbers, and rounding would decide the generator's first steps.
    """
    generator = torch.Generator().manual_seed(5)
    for network in side.networks:
        for parameter in network.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.data.copy_(parameter.data * 4 if parameter.ndim > 1 else noise * 0.1)


def _counts(name: str) -> bool:
    """Biases in front of instance norm do nothing: their gradient is rounding noise, which Adam scales up."""
    return name.endswith("weight") or name in {"head.bias", "body.0.bias", "body.8.bias"} or name.startswith("layers")


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("method", METHODS)
def test_our_steps_are_the_published_ones(method: Method, batch: int) -> None:
    left = ours(method, plan_of(method, SMALL, PUBLISHED[method], batch))
    _spread_out(left)
    right = plain(method, SMALL, left.networks)
    for number in range(STEPS):
        a, b = images(batch, SMALL.size, number)
        losses = []
        for side in (left, right):
            for group in (group for optimizer in side.optimizers for group in optimizer.param_groups):
                group["lr"] = RATE * rate_factor(number, STEPS, 0.5)
            losses.append(side.step(a, b, number))
        # The first losses are those of equal weights; Adam scales rounding up where a gradient is close to 0.
        assert losses[0] == pytest.approx(losses[1], rel=1e-3 if number else 1e-5), number
    for ours_after, plain_after in zip(left.networks, right.networks, strict=True):
        named = zip(ours_after.named_parameters(), plain_after.parameters(), strict=True)
        for name, mine, theirs in ((name, mine, theirs) for (name, mine), theirs in named if _counts(name)):
            # Six steps move a weight by about 1e-3.
            assert (mine - theirs).abs().mean() < 3e-5, name


def _losses_on_ramps(method: Method) -> dict[str, float]:
    ramp = torch.linspace(-1, 1, 32 * 32).view(1, 1, 32, 32)
    side = plain(method, SMALL)
    for network in side.networks:
        for parameter in network.parameters():
            parameter.data.zero_()
    found: dict[str, float] = side.step(ramp, ramp.flip(3), 0)
    return found


def test_plain_losses_of_empty_networks_by_hand() -> None:
    # Without weights G(x) = 0 and D(x) = 0: (0 - 1)^2 = 1 against a generator; (1 + 0) / 2 for a discriminator; and the
    # mean of |x| of 1024 equally spaced values in [-1, 1], half of them negative: 512 / 1023.
    half = 512 / 1023
    expected = {f"to_{to}_{loss}": 1.0 if loss == "adversarial" else half
                for to in ("normal", "abnormal") for loss in ("adversarial", "cycle", "identity")}  # fmt: skip
    expected |= {"judge_normal": 0.5, "judge_abnormal": 0.5}
    assert _losses_on_ramps("cyclegan") == pytest.approx(expected, rel=1e-6)


def test_plain_contrast_of_empty_networks_by_hand() -> None:
    # All projections are 0, and so are all similarities; the own patch's place among the negatives is -10 / 0.07, so a
    # row has the positive and S - 1 negatives of equal size: ln S.
    nothing = torch.zeros(32, 16)
    assert patch_nce(nothing, nothing, 1).item() == pytest.approx(math.log(32), rel=1e-6)


def _golden(method: Method) -> dict[str, float]:
    """Losses of the first step from weights that are a fixed wave, on fixed ramps."""
    side = plain(method, SMALL)
    for network in side.networks:
        for parameter in network.parameters():
            wave: Tensor = torch.arange(parameter.numel(), dtype=torch.float64).mul(0.7).sin() * 0.1
            parameter.data.copy_(wave.view(parameter.shape))
    ramp = torch.linspace(-1, 1, 32 * 32).view(1, 1, 32, 32)
    return side.step(ramp, ramp.flip(3), 0)


GOLDEN: dict[Method, dict[str, float]] = {
    "cyclegan": {
        "to_normal_adversarial": 2.1561136,
        "to_abnormal_adversarial": 2.3676231,
        "to_normal_cycle": 0.5165968,
        "to_abnormal_cycle": 0.5190057,
        "to_normal_identity": 0.5168552,
        "to_abnormal_identity": 0.5175206,
        "judge_normal": 2.4855774,
        "judge_abnormal": 2.6330376,
    },
    "cut": {"adversarial": 3.9006335, "nce": 3.5970422, "judge_normal": 3.8287445},
}


@pytest.mark.parametrize("method", METHODS)
def test_plain_losses_stay_what_they_were(method: Method) -> None:
    # Computed by this step in float64, rounded to seven digits; the k-th weight of every tensor is sin(0.7 k) / 10.
    assert _golden(method) == pytest.approx(GOLDEN[method], rel=1e-5)


def test_last_line_is_the_figures(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(
        sys, "argv", ["translators", "--steps", "1", "--size", "32", "--batches", "1", "--threads", "1"]
    )
    monkeypatch.setattr(translators, "peak_in_a_fresh_process", lambda *_, **__: 1.0)
    main()
    lines = capsys.readouterr().out.splitlines()
    figures = json.loads(lines[-1])
    assert set(figures) == {"cyclegan", "cut", "amx", "threads"}
    assert figures["threads"] == 1
    for method in METHODS:
        row = figures[method]
        assert set(row) == {"images_s", "plain_images_s", "ratio", "peak_mib"}
        assert row["ratio"] == pytest.approx(row["images_s"] / row["plain_images_s"], rel=0.01)
    assert sum("ours, nearest" in line for line in lines) == 2


@pytest.mark.slow
def test_peak_of_a_step_is_measured_in_a_process_of_its_own() -> None:
    found = peak_in_a_fresh_process("cut", "ours, antialiased", 1, threads=1, paper=False)
    assert found is None or 10 < found < 2000


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_step_of_the_papers_size_fits_eight_gibibytes() -> None:
    for method in METHODS:
        found = peak_in_a_fresh_process(method, f"ours, {PUBLISHED[method]}", 1, threads=2, paper=True)
        assert found is None or found < 8 * 1024
