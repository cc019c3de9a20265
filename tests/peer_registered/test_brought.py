import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from assets.alignments import PEERS
from assets.images import from_uint16
from assets.peer_registered.brought import brought, peer_ways, why_aside
from assets.peer_registered.settings import PeerFrameSettings
from assets.peers.case import Case
from assets.prealignment.field_inverse import dense_inverse
from assets.prealignment.warp import dequantize, warp_image, warp_lungs
from assets.radiographs.phantom.cohort import phantom_subject
from assets.radiographs.phantom.settings import PhantomSettings
from assets.segmentation.quality import dice
from assets.tables.alignment import PEER_REGISTERED

SIDE = 64
PHANTOM = phantom_subject(1, 1, PhantomSettings(size=SIDE, subjects=4, seed=1))
CASE = Case(PHANTOM.image.astype(np.float32), PHANTOM.lungs)


def affine_field(turn: float, scale: float, shift: tuple[float, float]) -> np.ndarray:
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    cos, sin = scale * np.cos(turn), scale * np.sin(turn)
    return np.stack([cos * x - sin * y - x + shift[0], sin * x + cos * y - y + shift[1]]).astype(np.float32)


def moved(field: np.ndarray) -> Case:
    return Case(warp_image(CASE.image, field), warp_lungs(CASE.lungs, field))


@settings(max_examples=12, deadline=None)
@given(st.floats(-0.08, 0.08), st.floats(0.94, 1.06), st.floats(-3, 3), st.floats(-3, 3))
def test_an_affinely_moved_copy_comes_back(turn: float, scale: float, right: float, down: float) -> None:
    field = affine_field(turn, scale, (right, down))
    moving = moved(field)
    columns, arrays = brought(peer_ways(CASE, {})["affine"](moving), moving, None, CASE)
    # The copy was made by a backward map, so the way back is its inverse.
    wanted, inside = dense_inverse(field), CASE.lungs > 0
    missed = np.hypot(*(dequantize(arrays["displacement"]) - wanted))[inside]
    assert missed.mean() < 0.2
    assert columns["dice_reference"] > 0.93
    assert columns["folded_share"] == 0
    assert columns["mean_shift"] == pytest.approx(np.hypot(*wanted)[inside].mean(), abs=0.2)


def test_a_radiograph_that_does_not_move_stays_as_it_is() -> None:
    lesion = PHANTOM.lesion > 0
    columns, arrays = brought(np.zeros((2, SIDE, SIDE), np.float32), CASE, lesion, CASE)
    assert columns == {"dice_reference": 1.0, "folded_share": 0.0, "mean_shift": 0.0}
    np.testing.assert_allclose(from_uint16(arrays["image"]), CASE.image, atol=1e-5)
    np.testing.assert_array_equal(arrays["lungs"], CASE.lungs)
    np.testing.assert_array_equal(arrays["lesion"] > 0, lesion)
    assert set(columns) <= set(PEER_REGISTERED.names)


def test_image_lungs_and_lesion_move_together_and_the_field_is_stored() -> None:
    field = affine_field(0.05, 1.02, (2.0, -1.0))
    _, arrays = brought(field, CASE, PHANTOM.lesion > 0, CASE)
    assert arrays["displacement"].dtype == np.int16
    np.testing.assert_allclose(dequantize(arrays["displacement"]), field, atol=1 / 128 + 1e-6)
    np.testing.assert_allclose(from_uint16(arrays["image"]), warp_image(CASE.image, field), atol=1e-5)
    np.testing.assert_array_equal(arrays["lungs"], warp_lungs(CASE.lungs, field))
    np.testing.assert_array_equal(arrays["lesion"], warp_lungs((PHANTOM.lesion > 0).astype(np.uint8), field))
    assert "lesion" not in brought(field, CASE, None, CASE)[1]


def test_a_fold_and_a_lost_lung_set_a_radiograph_aside() -> None:
    x = np.arange(SIDE, dtype=np.float32)
    folding = np.zeros((2, SIDE, SIDE), np.float32)
    folding[0] = 4 * np.sin(x)
    columns, arrays = brought(folding, CASE, None, CASE)
    assert 0 < columns["folded_share"] <= 1
    assert "folded at" in why_aside(columns["folded_share"], arrays["lungs"], 0.0)
    assert why_aside(columns["folded_share"], arrays["lungs"], columns["folded_share"]) == ""
    for label, side in ((1, "right"), (2, "left")):
        lost = np.where(CASE.lungs == label, 0, CASE.lungs).astype(np.uint8)
        assert why_aside(0.0, lost, 0.0).startswith(f"its {side} lung lies outside")
    assert "right and its left lung" in why_aside(0.0, np.zeros_like(CASE.lungs), 0.0)


def test_what_cannot_be_stored_or_registered_is_refused() -> None:
    with pytest.raises(ValueError, match="displacement"):
        brought(np.full((2, SIDE, SIDE), 1e4, np.float32), CASE, None, CASE)
    constant = Case(np.full((SIDE, SIDE), 0.5, np.float32), CASE.lungs)
    with pytest.raises(ValueError, match="moving: expected a finite image with contrast"):
        peer_ways(CASE, {})["affine"](constant)


def test_affine_brings_lungs_nearer_to_another_persons() -> None:
    other = phantom_subject(2, 1, PhantomSettings(size=SIDE, subjects=4, seed=1))
    reference = Case(other.image.astype(np.float32), other.lungs)
    columns, _ = brought(peer_ways(reference, {})["affine"](CASE), CASE, None, reference)
    assert columns["dice_reference"] > dice(CASE.lungs, other.lungs)


@given(st.lists(st.sampled_from(PEERS)))
def test_peers_are_named_once_in_one_order(peers: list[str]) -> None:
    found = PeerFrameSettings.model_validate({"peers": peers})
    assert found.peers == [peer for peer in PEERS if peer in peers]
    assert found.learned == [peer for peer in found.peers if peer != "affine"]


def test_settings_make_no_frame_by_default_and_know_no_other_peer() -> None:
    assert PeerFrameSettings().peers == []
    with pytest.raises(ValidationError, match="peers"):
        PeerFrameSettings.model_validate({"peers": ["demons"]})
