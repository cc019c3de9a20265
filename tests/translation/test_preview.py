import numpy as np
import pytest

from assets.translation.preview import training_curves, translation_sheet


def test_groups_of_radiograph_translation_and_difference() -> None:
    x, g = np.full((3, 32, 32), 0.8, np.float32), np.full((3, 32, 32), 0.4, np.float32)
    sheet = translation_sheet(x, g, x - g, ["a", "b", "c"], groups=2, side=32)
    assert sheet.shape == (22 + 2 * (32 + 4 + 18), 4 + 6 * 36, 3)
    first, second, third = (sheet[22:54, left : left + 32] for left in (4, 40, 76))
    assert (first == 204).all()
    assert (second == 102).all()
    assert (third[..., 0] > third[..., 2].astype(int) + 60).all()


def test_equal_images_differ_in_black_and_vmax_dims() -> None:
    image = [np.full((32, 32), 0.5, np.float32)]
    none, some = [np.zeros((32, 32), np.float32)], [np.full((32, 32), 0.1, np.float32)]
    assert (translation_sheet(image, image, none, side=32)[22:54, 76:108] == 0).all()
    bright, dim = (translation_sheet(image, image, some, side=32, vmax=vmax)[30, 90].sum() for vmax in (0.1, 0.4))
    assert bright > dim > 0


def test_lists_must_be_equally_long_and_not_empty() -> None:
    image = np.zeros((8, 8), np.float32)
    with pytest.raises(ValueError, match=r"shorter|longer"):
        translation_sheet([image], [image] * 2, [image])
    with pytest.raises(ValueError, match="needs a tile"):
        translation_sheet([], [], [])


def test_training_curves_are_a_picture() -> None:
    assert training_curves([{"step": 0.0, "cycle": 1.0, "identity": 0.5}]).shape[2] == 3
