import io

import torch
from PIL import Image
from torch import Tensor

from assets.translation.live import PICTURE_BYTES, curves, live_pictures, panel_sheet
from assets.translation.panel import Imaged, Panel, no_planted, translations

SIDE = 48


def imaged(count: int, seed: int) -> Imaged:
    images = torch.rand((count, 1, SIDE, SIDE), generator=torch.Generator().manual_seed(seed)) - 0.5
    return Imaged(images, torch.ones_like(images))


def panel(abnormal: int, normal: int) -> Panel:
    return Panel(imaged(abnormal, 1), imaged(normal, 2), no_planted(SIDE))


def darker(images: Tensor, _: Tensor) -> Tensor:
    return images - 0.4


def test_the_sheet_shows_four_abnormal_and_two_normal_images() -> None:
    few, many = panel(4, 2), panel(9, 9)
    sheet = panel_sheet(many, translations(many, darker))
    assert sheet is not None
    assert (sheet == panel_sheet(few, translations(few, darker))).all()
    fewer = panel_sheet(panel(3, 2), translations(panel(3, 2), darker))
    assert fewer is not None
    assert fewer.shape == sheet.shape
    assert (fewer != sheet).any()
    unchanged = panel_sheet(many, translations(many, lambda x, _: x))
    assert unchanged is not None
    assert (unchanged != sheet).any()


def test_one_domain_is_enough_for_a_sheet_and_none_is_not() -> None:
    for whole in (panel(1, 0), panel(0, 1)):
        assert panel_sheet(whole, translations(whole, darker)) is not None
    empty = panel(0, 0)
    assert panel_sheet(empty, translations(empty, darker)) is None
    assert live_pictures(empty, translations(empty, darker), [], [{"step": 1.0}]) == {}


def test_pictures_are_small_pngs() -> None:
    whole = panel(4, 2)
    losses = [{"step": float(step), "loss": 1 / (step + 1), "learning_rate": 2e-4} for step in range(40)]
    checks = [{"step": 20.0, "validation_auc": 0.7}, {"step": 40.0, "validation_auc": 0.8}]
    shown = live_pictures(whole, translations(whole, darker), losses, checks)
    assert shown.keys() == {"panel", "losses", "measures"}
    for png in shown.values():
        assert len(png) <= PICTURE_BYTES
        assert Image.open(io.BytesIO(png)).format == "PNG"
    assert live_pictures(whole, translations(whole, darker), [], []).keys() == {"panel"}


def test_what_never_changes_is_no_curve() -> None:
    checks = [{"step": 1.0, "kid": 0.2}, {"step": 2.0, "kid": 0.1}]
    constant = [{**check, "kid_floor": 0.05, "planted_psnr_input": 20.0} for check in checks]
    assert curves("measures", constant) == curves("measures", checks)
    assert curves("measures", [{"step": 1.0, "kid_floor": 0.05}]) == {}
