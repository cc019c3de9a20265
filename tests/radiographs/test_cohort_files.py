import os
import re
from collections import Counter
from pathlib import Path

import pytest
import yaml

from assets.radiographs.consistency import conflicting_patients
from assets.radiographs.declaration import CohortDeclaration, parse_declaration
from assets.radiographs.decode import decode, decode_mask
from assets.radiographs.geometry import check_mask_size
from assets.radiographs.listing import rows_of_listing
from assets.radiographs.restriction import only_these_held_out, restrict_rows
from assets.radiographs.settings import RadiographSettings
from assets.radiographs.source_row import SourceRow
from assets.radiographs.table import rows_of, table_of

PROJECT = Path(__file__).resolve().parents[2]
SHIPPED = sorted((PROJECT / "pipelines" / "cohorts").glob("*.yaml"))
EXAMPLES = sorted((PROJECT / "pipelines" / "cohorts" / "examples").glob("*.yaml"))
DATA = Path(os.environ.get("PSEUDOPAIR_DATA", PROJECT.parent / "shared" / "data"))


def declared(path: Path) -> CohortDeclaration:
    text = re.sub(r"\$\{PSEUDOPAIR_DATA\}", str(DATA), path.read_text(encoding="utf-8"))
    return parse_declaration(yaml.safe_load(text))


def source_rows(name: str) -> tuple[CohortDeclaration, list[SourceRow]]:
    cohort = declared(PROJECT / "pipelines" / "cohorts" / f"{name}.yaml")
    root = Path(cohort.root)
    if not root.is_dir():
        pytest.skip(f"needs the {name} radiographs; set PSEUDOPAIR_DATA to the folder that holds them")
    rows = rows_of(cohort, table_of((root / str(cohort.table)).read_bytes()))
    if cohort.rows:
        choose = restrict_rows if cohort.rows_for == "all" else only_these_held_out
        rows = choose(rows, (root / cohort.rows).read_text(encoding="utf-8").splitlines())
    return cohort, rows


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_cohorts_are_valid_and_named_like_their_files(path: Path) -> None:
    assert declared(path).name == path.stem


def test_the_six_cohorts_are_shipped() -> None:
    assert {path.stem for path in SHIPPED} >= {"phantom", "shenzhen", "rsna", "tbx11k", "nih", "quex"}


def test_the_dicom_example_is_valid() -> None:
    example = declared(PROJECT / "pipelines" / "cohorts" / "examples" / "dicom_folder.yaml")
    assert example.patient_rule == "header"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_are_valid_and_told_of_in_the_readme(path: Path) -> None:
    assert declared(path).root.startswith("${COHORT_FOLDER}")
    assert "pipelines/cohorts/examples/" in (PROJECT / "README.md").read_text(encoding="utf-8")


def test_the_example_of_two_folders_reads_a_set_laid_out_like_montgomery() -> None:
    example = declared(PROJECT / "pipelines" / "cohorts" / "examples" / "left_right_masks.yaml")
    masks = [f"ManualMask/{side}Mask/MCUCXR_{name}.png" for side in ("left", "right") for name in ("0001_0", "0002_1")]
    names = ["CXR_png/normal/MCUCXR_0001_0.png", "CXR_png/tuberculosis/MCUCXR_0002_1.png", *masks]
    rows = rows_of_listing(example, names)
    assert [(row.patient, row.domain, row.problem) for row in rows] == [
        ("0001", "normal", None),
        ("0002", "abnormal", None),
    ]
    assert rows[0].right_lung_mask == "ManualMask/rightMask/MCUCXR_0001_0.png"
    assert rows[0].left_lung_mask == "ManualMask/leftMask/MCUCXR_0001_0.png"


def test_the_chexmask_example_joins_by_the_column_of_its_source() -> None:
    example = declared(PROJECT / "pipelines" / "cohorts" / "examples" / "chexmask.yaml")
    assert example.chexmask is not None
    assert (example.chexmask.id, example.chexmask.smallest_dice_rca) == ("Image Index", 0.7)


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "domains"),
    [
        ("shenzhen", {"normal": 260, "abnormal": 272}),
        ("rsna_view_matched", {"normal": 91, "abnormal": 91}),
        ("rsna_matched_tests", {"normal": 276, "abnormal": 232, "other": 413}),
        ("tbx11k", {"abnormal": 219}),
        ("nih", {"normal": 2, "abnormal": 324, "other": 329}),
        ("quex", {"normal": 4, "abnormal": 8}),
    ],
)
def test_real_tables_fit_their_declarations(name: str, domains: dict[str, int]) -> None:
    _, rows = source_rows(name)
    assert Counter(row.domain for row in rows) == domains
    assert not any(row.problem for row in rows)
    # One patient of the NIH sample has images more than five years apart.
    assert len(conflicting_patients(rows)) == (4 if name == "nih" else 0)


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["shenzhen", "rsna", "rsna_view_matched", "tbx11k", "nih", "quex"])
def test_real_files_decode_with_masks_of_their_size(name: str) -> None:
    cohort, rows = source_rows(name)
    settings = RadiographSettings()
    for row in rows[:: max(1, len(rows) // 8)]:
        image = decode((Path(cohort.root) / row.image).read_bytes(), row.image, settings)
        assert image.bits == 8
        assert max(image.pixels.shape) <= 384
        if row.lung_mask:
            mask = decode_mask((Path(cohort.root) / row.lung_mask).read_bytes(), row.lung_mask, settings)
            check_mask_size(mask.labels.shape, image.pixels.shape)
            assert mask.sides == (name == "shenzhen")
