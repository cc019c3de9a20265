import numpy as np
import pytest

from assets.segmentation.preview import mask_sheet


def test_tiles_of_any_size_in_rows_with_colored_outlines() -> None:
    images = [np.full((64, 64), 0.5, np.float32), np.full((256, 256), 0.5, np.float32)]
    lungs = [np.zeros(image.shape, np.uint8) for image in images]
    for labels in lungs:
        side = len(labels)
        labels[side // 4 : side // 2, side // 8 : side // 3], labels[side // 4 : side // 2, side // 2 :] = 1, 2
    sheet = mask_sheet(images, lungs, ["a", "b"], columns=6, side=100).astype(int)
    assert sheet.shape == (4 + 100 + 4 + 18, 4 + 2 * 104, 3)
    warmth = sheet[..., 0] - sheet[..., 2]
    assert warmth.max() > 60
    assert warmth.min() < -60


def test_lists_must_be_equally_long_and_not_empty() -> None:
    image, labels = np.zeros((8, 8), np.float32), np.zeros((8, 8), np.uint8)
    with pytest.raises(ValueError, match=r"shorter|longer"):
        mask_sheet([image, image], [labels], ["a", "b"])
    with pytest.raises(ValueError, match="captions"):
        mask_sheet([image], [labels], ["a", "b"])
    with pytest.raises(ValueError, match="needs a tile"):
        mask_sheet([], [], [])
