import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.evaluation.roc import Undefined, auc
from assets.leaks.brought import Brought, bring
from assets.leaks.scorers import Scores, field_residuals, variant_scores
from assets.leaks.settings import LeakSettings
from assets.scoring.anomaly_map import anomaly_maps
from assets.translation.codes import images_of
from assets.translation.inference import translate
from assets.translation.pca import fit_pca
from assets.translation.settings import TranslationSettings
from tests.leaks.leak_scenes import PERCENTILES, SETTINGS, frame_of, phantom

NORMALS = [2 * index for index in range(1, 15)]
HEALTHY, SICK = [30, 32, 34, 36, 38, 40], [1, 3, 5, 7, 9, 11]


@pytest.fixture(scope="module")
def normals() -> list[Brought]:
    return [bring(phantom(i).image, phantom(i).lungs, frame_of(), PERCENTILES, SETTINGS) for i in NORMALS]


@pytest.fixture(scope="module")
def asked() -> list[Brought]:
    indices = [*HEALTHY, *SICK]
    return [bring(phantom(i).image, phantom(i).lungs, frame_of(), PERCENTILES, SETTINGS) for i in indices]


def numbers(scores: Scores, name: str) -> npt.NDArray[np.float64]:
    found = scores[name]
    assert not isinstance(found, Undefined)
    return found


def made_up(fields: npt.NDArray[np.float64]) -> list[Brought]:
    image, mask = np.full((1, 48, 48), 30000, np.uint16), np.full((1, 48, 48), 255, np.uint8)
    return [Brought(image, mask, field.astype(np.float32), 0.1, 0.2) for field in fields]


def test_every_scorer_scores_every_radiograph(normals: list[Brought], asked: list[Brought]) -> None:
    scores = variant_scores(normals, asked, {}, SETTINGS)
    assert list(scores) == [
        *("template_mean", "template_top5", "pca_mean", "pca_top5"),
        *("field_residual", "field_mean", "field_top5"),
    ]
    for name in scores:
        values = numbers(scores, name)
        assert values.shape == (12,)
        assert np.isfinite(values).all()
    for name in ("template", "pca", "field"):
        assert (numbers(scores, f"{name}_top5") >= numbers(scores, f"{name}_mean")).all()


def test_lesions_of_phantoms_are_seen_in_the_lungs(normals: list[Brought], asked: list[Brought]) -> None:
    scores = variant_scores(normals, asked, {}, SETTINGS)
    labels = np.arange(12) >= 6
    assert max(auc(numbers(scores, name), labels).area for name in ("template_top5", "pca_top5", "pca_mean")) > 0.7


def test_pca_is_the_one_of_the_arms(normals: list[Brought], asked: list[Brought]) -> None:
    """Scored as the stage of the anomaly maps scores an arm `it_pr/pca` that was fitted on the same images."""
    pictures = [images_of(np.stack([item.image for item in items])) for items in (normals, asked)]
    masks = [torch.from_numpy(np.stack([item.mask for item in items]) / np.float32(255)) for items in (normals, asked)]
    weights = fit_pca(pictures[0], masks[0], SETTINGS.components)
    translated = translate("pca", weights, pictures[1], masks[1], TranslationSettings())
    maps = anomaly_maps(pictures[1], translated, masks[1])
    expected = [one[lungs].mean() for one, lungs in zip(maps.absolute, maps.lungs, strict=True)]
    assert numbers(variant_scores(normals, asked, {}, SETTINGS), "pca_mean") == pytest.approx(expected, rel=1e-4)


def test_scores_do_not_depend_on_who_else_is_asked(normals: list[Brought], asked: list[Brought]) -> None:
    together, alone = (variant_scores(normals, some, {}, SETTINGS) for some in (asked, asked[3:4]))
    for name in together:
        assert numbers(alone, name)[0] == pytest.approx(numbers(together, name)[3], rel=1e-5)


def test_translators_are_scorers_of_their_own(normals: list[Brought], asked: list[Brought]) -> None:
    ways = {"same": lambda images, masks: images, "darker": lambda images, masks: images - 0.5}
    scores = variant_scores(normals, asked, ways, SETTINGS)
    assert not numbers(scores, "same_mean").any()
    assert numbers(scores, "darker_mean") == pytest.approx(0.25, abs=1e-6)
    assert numbers(scores, "darker_top5") == pytest.approx(0.25, abs=1e-6)


def test_too_few_normals_leave_the_warp_alone(normals: list[Brought], asked: list[Brought]) -> None:
    for some in (normals[:7], []):
        scores = variant_scores(some, asked, {}, SETTINGS)
        for name in ("template_mean", "pca_top5", "field_residual"):
            why = scores[name]
            assert isinstance(why, Undefined)
            assert str(why) == f"needs 8 training normals, got {len(some)}"
        assert numbers(scores, "field_mean").shape == (12,)


def test_settings_say_how_many_normals_how_many_components_and_how_high_a_share(
    normals: list[Brought], asked: list[Brought]
) -> None:
    usual = variant_scores(normals, asked, {}, SETTINGS)
    few = variant_scores(normals[:3], asked, {}, SETTINGS.model_copy(update={"smallest_normals": 3}))
    assert np.isfinite(numbers(few, "template_mean")).all()
    poor = variant_scores(normals, asked, {}, SETTINGS.model_copy(update={"components": 1, "field_components": 1}))
    for name in ("pca_mean", "field_residual"):
        assert (numbers(poor, name) > numbers(usual, name)).all()
    whole = variant_scores(normals, asked, {}, SETTINGS.model_copy(update={"top_share": 1.0}))
    assert numbers(whole, "pca_top5") == pytest.approx(numbers(usual, "pca_mean"))


def test_nobody_to_score(normals: list[Brought]) -> None:
    scores = variant_scores(normals, [], {}, SETTINGS)
    assert {name: numbers(scores, name).shape for name in scores} == dict.fromkeys(scores, (0,))


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000), st.integers(1, 6))
def test_a_field_like_the_normals_leaves_nothing_and_its_rest_is_what_pca_leaves(seed: int, components: int) -> None:
    from sklearn.decomposition import PCA

    rng = np.random.default_rng(seed)
    basis, usual = rng.normal(size=(components, 30)), rng.normal(size=30)
    known = usual + rng.normal(size=(20, components)) @ basis
    unseen = usual + rng.normal(size=(5, components)) @ basis
    own = LeakSettings(field_components=components)
    assert field_residuals(made_up(known), made_up(unseen), own) == pytest.approx(0, abs=1e-4)
    other = rng.normal(size=(5, 30))
    oracle = PCA(components).fit(known)
    left = other - oracle.inverse_transform(oracle.transform(other))
    expected = np.sqrt(np.mean(left**2, axis=1))
    assert field_residuals(made_up(known), made_up(other), own) == pytest.approx(expected, rel=1e-3, abs=1e-3)


def test_fields_that_are_all_alike_have_no_components() -> None:
    same = np.ones((9, 30))
    assert field_residuals(made_up(same), made_up(same[:2]), SETTINGS) == pytest.approx(0, abs=1e-6)
    assert field_residuals(made_up(same), made_up(same[:2] + 2), SETTINGS) == pytest.approx(2, abs=1e-5)
