import numpy as np
import pytest

from assets.registration_report.mean_images import around_lungs, gain_lines
from assets.registration_report.settings import ReportSettings

SETTINGS = ReportSettings(resamples=100)
LUNGS = np.zeros((64, 64), np.uint8)
LUNGS[20:44, 12:28], LUNGS[20:44, 36:52] = 1, 2


def test_around_the_lungs_is_them_and_a_margin_of_a_thirty_second() -> None:
    region = around_lungs(LUNGS)
    assert region[LUNGS > 0].all()
    rows = np.flatnonzero(region.any(axis=1))
    assert (rows[0], rows[-1]) == (18, 45)
    assert not region[:, 55].any()


def test_a_line_names_what_is_compared_and_every_line_draws_alike() -> None:
    rng = np.random.default_rng(0)
    x = np.mgrid[:64, :64][1]
    shifted = [np.sin((x + shift) / 3).astype(np.float32) for shift in rng.normal(0, 3, 8)]
    aligned = [np.sin(x / 3).astype(np.float32)] * 8
    images = {"none": shifted, "it_pr": aligned, "again": aligned}
    lines = gain_lines("all", [("it_pr", "none"), ("again", "none")], images, LUNGS, SETTINGS)
    assert [(line["of"], line["arm"], line["over"], line["images"]) for line in lines] == [
        ("all", "it_pr", "none", 8),
        ("all", "again", "none", 8),
    ]
    first, second = ({name: line[name] for name in ("ratio", "low", "high")} for line in lines)
    assert first == second
    assert first["ratio"] >= first["low"] > 1


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_images_have_no_mean_to_compare(count: int) -> None:
    images = {"none": [np.zeros((64, 64), np.float32)] * count, "it_pr": [np.zeros((64, 64), np.float32)] * count}
    assert gain_lines("all", [("it_pr", "none")], images, LUNGS, SETTINGS) == []
