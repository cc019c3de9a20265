from pathlib import Path

from assets.radiographs.identity import pseudonym
from assets.radiographs.settings import RadiographSettings
from pipelines.new_images.files import people, planned_file
from resources.manifests import digest_of
from tests.radiographs.files_bench import dicom

KEY = b"a key for the tests only"
ALL_TEST = RadiographSettings(test_share=1.0, validation_share=0.0)


def test_a_file_is_planned_as_a_cohort_of_files_plans_it(tmp_path: Path) -> None:
    path = tmp_path / "p7.png"
    path.write_bytes(b"pixels")
    planned = planned_file(3, path, KEY)
    assert planned.patient == pseudonym("p7", KEY)
    assert planned.digests == (digest_of(b"pixels"), "", "")
    assert planned.refusal == ""
    carried = planned.carried(ALL_TEST)
    assert (carried["row"], carried["split"], carried["domain"], carried["label"]) == (3, "test", "other", "unlabelled")


def test_what_is_no_file_is_refused_without_its_name(tmp_path: Path) -> None:
    for path, message in ((tmp_path / "Jane Doe.png", "there is no such file"), (tmp_path, "cannot be read")):
        planned = planned_file(1, path, KEY)
        assert message in planned.refusal
        assert path.name not in planned.refusal
        assert planned.inputs[0] == "refused"


def test_a_dicom_file_is_of_whom_its_header_names_too(tmp_path: Path) -> None:
    path = tmp_path / "p7.dcm"
    path.write_bytes(dicom(1, " Jane "))
    assert people(path, KEY) == {pseudonym("p7", KEY), pseudonym("Jane", KEY)}
    path.write_bytes(path.read_bytes()[:140])
    assert people(path, KEY) == {pseudonym("p7", KEY)}
    assert people(tmp_path / "absent.dcm", KEY) == {pseudonym("absent", KEY)}
