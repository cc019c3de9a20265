import pytest
import torch
from torch import Tensor

from assets.translation.arms import Arm
from assets.translation.closed_form import chosen_by_validation, fit_closed_form, preferred
from assets.translation.panel import Imaged, Panel, no_planted
from assets.translation.pca import fit_pca, leading, reconstruct
from assets.translation.runs import arm_digest, planned_runs
from assets.translation.settings import TranslationSettings

SIDE = 16
PCA = Arm("it_pr", "pca")


def everywhere(count: int) -> Tensor:
    return torch.ones(count, 1, SIDE, SIDE)


def normals(count: int, seed: int = 0) -> Tensor:
    """Images in a subspace of four directions, far from -1 and 1."""
    basis: Tensor = torch.linalg.qr(torch.randn((SIDE * SIDE, 4), generator=torch.Generator().manual_seed(9)))[0]
    weights = torch.randn((count, 4), generator=torch.Generator().manual_seed(seed))
    return (0.3 * weights @ basis.T).reshape(count, 1, SIDE, SIDE)


def abnormal(count: int) -> Tensor:
    spots = torch.zeros(count, 1, SIDE, SIDE)
    for number in range(count):
        spots[number, 0, number % SIDE, (3 * number) % SIDE] = 0.6
    return normals(count, seed=2) + spots


def panel(sick: int, healthy: int) -> Panel:
    found, usual = abnormal(sick), normals(healthy, seed=1)
    return Panel(Imaged(found, everywhere(sick)), Imaged(usual, everywhere(healthy)), no_planted(SIDE))


def settings_of(*components: int, **others: object) -> TranslationSettings:
    return TranslationSettings.model_validate({"size": SIDE, "pca_components": list(components), **others})


def test_validation_prefers_the_components_that_leave_only_disease() -> None:
    # With one component much of the normals' own variation is left; with four nothing of it.
    chosen = fit_closed_form("pca", normals(40), everywhere(40), settings_of(1, 4), panel(10, 10))
    assert len(chosen["components"]) == 4


def test_of_equal_ones_the_smallest_is_taken_whatever_their_order() -> None:
    perfect = settings_of(6, 4, 5)
    assert len(fit_closed_form("pca", normals(40), everywhere(40), perfect, panel(10, 10))["components"]) == 4


@pytest.mark.parametrize(
    "measured", [None, panel(0, 5), panel(5, 0), panel(0, 0), panel(1, 1), panel(4, 9), panel(9, 4)]
)
def test_with_few_validation_images_the_middle_one_stands(measured: Panel | None) -> None:
    weights = fit_pca(normals(40), everywhere(40), 4)
    assert preferred(weights, [1, 2, 4], settings_of(1, 2, 4), measured) == 2


def test_five_images_of_each_domain_decide() -> None:
    weights = fit_pca(normals(40), everywhere(40), 4)
    assert preferred(weights, [1, 2, 4], settings_of(1, 2, 4), panel(5, 5)) == 4


def test_a_single_candidate_needs_no_validation() -> None:
    chosen = fit_closed_form("pca", normals(40), everywhere(40), settings_of(3), None)
    assert len(chosen["components"]) == 3
    assert not chosen_by_validation("pca", settings_of(3))
    assert not chosen_by_validation("pca", settings_of(3, 4, checked_images=0))
    assert chosen_by_validation("pca", settings_of(3, 4))
    assert not chosen_by_validation("template", settings_of(3, 4))


def test_leading_components_are_those_of_a_smaller_fit() -> None:
    images = normals(12) + 0.05 * torch.randn(12, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(3))
    large, small = (fit_pca(images, everywhere(12), count) for count in (6, 3))
    torch.testing.assert_close(leading(large, 3)["components"], small["components"])
    torch.testing.assert_close(
        reconstruct(leading(large, 3), images, everywhere(12)), reconstruct(small, images, everywhere(12))
    )
    assert len(leading(small, 9)["components"]) == 3


def test_the_template_is_fitted_by_the_same_door() -> None:
    assert set(fit_closed_form("template", normals(5), everywhere(5), settings_of(3), None)) == {"mean", "gain"}


def test_candidates_and_not_their_order_decide_the_digest() -> None:
    digests = [arm_digest(PCA, 0, settings_of(*numbers)) for numbers in ((16, 32), (32, 16), (16, 32, 32), (16, 64))]
    assert digests[0] == digests[1] == digests[2] != digests[3]


def test_one_number_is_a_list_of_one_and_none_is_below_one() -> None:
    # As it was written until there was a choice, also in the rows of translators that were trained before.
    assert TranslationSettings.model_validate_json('{"pca_components": 32}') == settings_of(32).model_copy(
        update={"size": None}
    )
    with pytest.raises(ValueError, match="numbers of components from 1 on"):
        settings_of(16, 0)
    with pytest.raises(ValueError, match="at least 1 item"):
        settings_of()


def test_what_draws_nothing_is_fitted_with_one_seed() -> None:
    arms = ["it_pr/pca", "it_pr/template", "it_pr/cut"]
    runs = planned_runs(TranslationSettings(arms=arms, seeds=[3, 4]))
    assert [(arm.method, seed) for arm, seed in runs] == [("pca", 3), ("template", 3), ("cut", 3), ("cut", 4)]
