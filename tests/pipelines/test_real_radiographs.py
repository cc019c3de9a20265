"""The pure stages on real radiographs; nothing of them is kept."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from assets.images import from_uint16
from assets.prealignment.lung_coordinates import prealign, reference_frame
from assets.prealignment.reference_lung import medoid
from assets.prealignment.settings import PrealignmentSettings
from assets.prealignment.warp import warp_image, warp_lungs
from assets.radiographs.declaration import parse_declaration
from assets.radiographs.ingest import SourceBytes, ingest
from assets.radiographs.photometric import apply_window, lung_window
from assets.radiographs.settings import RadiographSettings
from assets.radiographs.sources import source_rows
from assets.registration.folds import folded
from assets.segmentation.cleanup import clean
from assets.segmentation.pbtseg import segment
from assets.segmentation.quality import dice, lung_flags
from assets.segmentation.settings import SegmentationSettings
from resources.catalogue import entry_named
from resources.home import data_root

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not Path(data_root(), "shenzhen").is_dir(), reason="no real radiographs under PSEUDOPAIR_DATA"),
]


@pytest.fixture(scope="module")
def masked() -> list[tuple[F32, U8]]:
    """Every eighth Shenzhen row that has a mask: image in [0, 1] and supplied lungs."""
    declaration = parse_declaration(entry_named("shenzhen").mapping)
    root = Path(declaration.root)
    rows = source_rows(declaration, lambda path: (root / path).read_bytes(), list)
    found = []
    for row in [row for row in rows if row.lung_mask][::8]:
        files = SourceBytes((root / row.image).read_bytes(), (root / str(row.lung_mask)).read_bytes(), None)
        _, arrays = ingest(row, files, RadiographSettings())
        found.append((from_uint16(arrays["image"]), arrays["lungs"]))
    return found


def usable(masked: list[tuple[F32, U8]]) -> list[tuple[F32, U8]]:
    settings = SegmentationSettings()
    cleaned = [(image, clean(lungs, settings)) for image, lungs in masked]
    return [(image, lungs) for image, lungs in cleaned if not lung_flags(lungs, settings)]


def test_most_supplied_masks_pass_the_gates(masked: list[tuple[F32, U8]]) -> None:
    assert len(usable(masked)) >= 0.85 * len(masked)


def test_pbtseg_finds_most_lungs_and_agrees_with_the_supplied_masks(masked: list[tuple[F32, U8]]) -> None:
    settings = SegmentationSettings()
    found = [(clean(segment(image, settings), settings), lungs) for image, lungs in masked]
    plausible = [(own, lungs) for own, lungs in found if not lung_flags(own, settings)]
    assert len(plausible) >= 0.7 * len(masked)
    assert np.median([dice(own, lungs) for own, lungs in plausible]) > 0.85


def test_prealigned_lungs_fit_the_reference_without_folds_and_sharpen_the_mean(masked: list[tuple[F32, U8]]) -> None:
    settings = PrealignmentSettings()
    pairs = usable(masked)
    reference = pairs[medoid([lungs for _, lungs in pairs])][1]
    frame = reference_frame(reference, settings)
    before, after = [], []
    for image, lungs in pairs:
        field = prealign(frame, lungs, settings)
        assert not np.any(folded(field)[reference > 0])
        assert dice(warp_lungs(lungs, field), reference) > 0.95
        shown = apply_window(image, *lung_window(image, lungs, 1, 99))
        before.append(shown)
        after.append(warp_image(shown, field))
    assert _sharpness(after, reference) > 1.2 * _sharpness(before, reference)


def _sharpness(images: list[F32], lungs: U8) -> float:
    """Gradient energy of the mean image around the lungs' border, where misaligned lungs smear it."""
    rows, columns = np.gradient(np.mean(images, axis=0))
    return float(np.mean((rows**2 + columns**2)[lungs > 0]))
