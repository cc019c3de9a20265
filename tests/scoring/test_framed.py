import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from assets.pairing.frames import Frame
from assets.scoring.framed import Framed, arrays_of, framed, mapped, measured
from assets.scoring.score import KINDS, SCORE_NAMES, regions
from assets.scoring.settings import ScoringSettings
from assets.translation.generators import ResnetGenerator, initialized
from assets.translation.inference import translator_of
from assets.translation.moments import Pooling, Usual, no_moments, usual
from assets.translation.pca import fit_pca
from assets.translation.settings import TranslationSettings
from assets.translation.watch import Translate

SIDE = 32
SETTINGS = ScoringSettings()
F32 = npt.NDArray[np.float32]


def source(seed: int, *, lesion: bool | None = None) -> Frame:
    """A frame of 64 pixels with square lungs, and a lesion in one of them."""
    image = np.random.default_rng(seed).random((64, 64), np.float32)
    lungs = np.zeros((64, 64), np.uint8)
    lungs[8:56, 6:28], lungs[8:56, 36:58] = 1, 2
    if lesion is None:
        return Frame(image, lungs, None)
    drawn = np.zeros((64, 64), np.bool_)
    drawn[16:28, 10:22] = lesion
    return Frame(image, lungs, drawn)


def batch(count: int) -> list[Framed]:
    return [framed(source(seed), SIDE) for seed in range(count)]


def darker(images: Tensor, masks: Tensor) -> Tensor:
    return (images - 0.2 * (masks > 0.5)).clamp(-1, 1)


def test_a_lesion_is_brought_to_the_images_size() -> None:
    found = framed(source(0, lesion=True), SIDE).lesion
    assert found is not None
    rows, columns = np.nonzero(found)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (8, 13, 5, 10)
    none = framed(source(0, lesion=False), SIDE).lesion
    assert none is not None
    assert not none.any()
    assert framed(source(0), SIDE).lesion is None


def test_maps_are_differences_in_units_of_an_image() -> None:
    (row,) = mapped(batch(1), darker)
    # Where x is -0.8 or less the translation is cut off at black.
    free = row.lungs & (row.framed.image[0].numpy() > -0.8)
    np.testing.assert_allclose(row.values["absolute"][free], 0.1, atol=1e-6)
    np.testing.assert_array_equal(row.values["absolute"], row.values["positive"])
    assert not row.values["absolute"][~row.lungs].any()


def test_a_gain_says_what_a_difference_is_worth() -> None:
    gain = np.linspace(0.5, 2, SIDE * SIDE, dtype=np.float32).reshape(SIDE, SIDE)
    (plain,), (worth,) = mapped(batch(1), darker), mapped(batch(1), darker, gain)
    for kind in KINDS:
        np.testing.assert_allclose(worth.values[kind], gain * plain.values[kind], rtol=1e-6)


@pytest.mark.parametrize("method", ["cyclegan", "pca"])
def test_rows_are_the_same_whatever_they_are_translated_with(method: str) -> None:
    """PCA's bit by bit; a convolution may be computed by another kernel, and round otherwise, in a larger batch."""
    rounding = 0.0 if method == "pca" else 1e-5
    weights = (
        fit_pca(torch.rand(9, 1, SIDE, SIDE) * 2 - 1, torch.ones(9, 1, SIDE, SIDE), 4)
        if method == "pca"
        else dict(initialized(lambda: ResnetGenerator(8, 2), torch.Generator().manual_seed(0)).state_dict())
    )
    settings = TranslationSettings(size=SIDE, generator_width=8, generator_blocks=2)
    translate = translator_of("pca" if method == "pca" else "cyclegan", weights, settings)
    rows = batch(17)
    together = mapped(rows, translate)
    for size in (1, 5, 16):
        parts = [each for first in range(0, 17, size) for each in mapped(rows[first : first + size], translate)]
        for one, other in zip(together, parts, strict=True):
            for name, array in arrays_of(one).items():
                # Maps are kept in 16 bits, images in 8.
                step = 0.0 if method == "pca" else 1 if array.dtype == np.uint8 else 1e-3
                np.testing.assert_allclose(array.astype(float), arrays_of(other)[name].astype(float), rtol=0, atol=step)
            alone = measured(other, None, SETTINGS)
            assert measured(one, None, SETTINGS) == pytest.approx(alone, rel=rounding, abs=rounding)


def usual_maps(rows: int = 12) -> dict[str, Usual]:
    found = mapped(batch(rows), darker)
    sums = {kind: no_moments(SIDE) for kind in KINDS}
    for row in found:
        for kind in KINDS:
            sums[kind].add(row.values[kind], row.lungs)
    return {kind: usual(each, Pooling(2.0, 1.0, 0.25)) for kind, each in sums.items()}


def test_every_score_has_a_column_and_z_needs_normals() -> None:
    (row,) = mapped(batch(1), darker, to_abnormal=darker)
    assert set(measured(row, None, SETTINGS)) == {name for name in SCORE_NAMES if "_z" not in name}
    columns = measured(row, {kind: usual_maps()[kind] for kind in KINDS}, SETTINGS)
    assert set(columns) == set(SCORE_NAMES)
    assert all(np.isfinite(list(columns.values())))


def test_core_scores_are_read_in_the_core() -> None:
    (row,) = mapped(batch(1), softer)
    core = regions(row.lungs, SETTINGS.core_margin)["core"]
    assert 0 < core.sum() < row.lungs.sum()
    columns = measured(row, None, SETTINGS)
    assert columns["score_mean_core"] == pytest.approx(row.values["absolute"][core].mean())
    assert columns["score_mean_core"] != columns["score_mean"]
    rimless = measured(row, None, ScoringSettings(core_margin=0))
    assert all(rimless[f"{name}_core"] == rimless[name] for name in rimless if "_core" not in name)


def softer(images: Tensor, _: Tensor) -> Tensor:
    return 0.5 * images


@pytest.mark.parametrize(("to_abnormal", "share"), [(lambda images, _: images, 1.0), (softer, 0.0)])
def test_what_both_generators_change_alike_counts_for_nothing(to_abnormal: Translate, share: float) -> None:
    for row in mapped(batch(3), softer, to_abnormal=to_abnormal):
        columns = measured(row, None, SETTINGS)
        assert columns["score_mean"] > 0.01
        for name in ("score_mean", "score_top5", "score_max", "score_p99"):
            assert columns[f"{name}_contrast"] == share * columns[name]
            assert columns[f"{name}_contrast_core"] == share * columns[f"{name}_core"]


def test_contrast_is_what_is_changed_towards_normal_more_than_towards_abnormal() -> None:
    forth, back = (mapped(batch(2), each) for each in (darker, softer))
    for row, one, other in zip(mapped(batch(2), darker, to_abnormal=softer), forth, back, strict=True):
        assert row.contrast is not None
        np.testing.assert_array_equal(row.contrast, one.values["absolute"] - other.values["absolute"])
        np.testing.assert_array_equal(row.values["absolute"], one.values["absolute"])
        assert row.contrast.min() < 0 < row.contrast.max()
        assert not row.contrast[~row.lungs].any()
        assert measured(row, None, SETTINGS)["score_mean_contrast"] == pytest.approx(
            measured(one, None, SETTINGS)["score_mean"] - measured(other, None, SETTINGS)["score_mean"]
        )


def test_without_a_way_to_abnormal_there_is_no_contrast() -> None:
    (row,) = mapped(batch(1), darker)
    assert row.contrast is None
    assert not any("_contrast" in name for name in measured(row, None, SETTINGS))


def test_lesions_are_measured_where_they_are_known() -> None:
    rows = [framed(source(0, lesion=lesion), SIDE) for lesion in (True, False, None)]
    known, empty, unknown = (measured(row, None, SETTINGS) for row in mapped(rows, darker))
    assert {"lesion_auc", "lesion_ap"} <= known.keys()
    assert {"lesion_auc", "lesion_ap"}.isdisjoint(empty.keys() | unknown.keys())


def test_convention_of_what_is_kept() -> None:
    (row,) = mapped([framed(source(0, lesion=True), SIDE)], darker)
    arrays = arrays_of(row)
    kinds = {name: str(array.dtype) for name, array in arrays.items()}
    assert kinds == {
        "map": "float16",
        "positive": "float16",
        "image": "uint8",
        "translated": "uint8",
        "lungs": "uint8",
        "lesion": "uint8",
    }
    assert {array.shape for array in arrays.values()} == {(SIDE, SIDE)}
    difference = arrays["image"].astype(np.float64) - arrays["translated"].astype(np.float64)
    inside = arrays["lungs"].astype(np.bool_)
    np.testing.assert_allclose(np.abs(difference)[inside] / 255, arrays["map"].astype(np.float64)[inside], atol=0.005)


def test_a_translation_that_is_no_image_is_refused() -> None:
    with pytest.raises(ValueError, match="translated row 1"):
        mapped(batch(3), lambda images, _: torch.where(torch.arange(3).view(3, 1, 1, 1) == 1, torch.nan, images))
    with pytest.raises(ValueError, match="lungs"):
        framed(Frame(np.zeros((64, 64), np.float32), np.zeros((64, 64), np.uint8), None), SIDE)
