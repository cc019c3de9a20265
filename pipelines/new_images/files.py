"""Image files that somebody names on the command line, as the radiographs stage plans those of a cohort."""

from pathlib import Path

from assets.radiographs.decoded import UnusableFile
from assets.radiographs.dicom import source_patient
from assets.radiographs.identity import assignment, pseudonym
from assets.radiographs.plan import Planned
from assets.radiographs.source_row import UNLABELLED, SourceRow
from resources.manifests import digest_of

# Behind the 128 bytes of its preamble (PS3.10).
DICOM = b"DICM"


def planned_file(number: int, path: Path, key: bytes) -> Planned:
    """A file before it is decoded, its patient called as by a cohort that tells patients by file names.

    Args:
        number: of the file among those that were named, counted from 1.
        path: where it is.
        key: of the pseudonyms.
    """
    row = SourceRow(
        number=number,
        image=path.name,
        lung_mask=None,
        lesion_mask=None,
        patient=path.stem,
        label=UNLABELLED,
        domain="other",
        boxes=(),
        view=None,
        sex=None,
        age=None,
        true_aspect_wh=None,
        problem=None,
    )
    called = path.stem.strip() or path.name
    digests, refusal = _digests(path)
    return Planned(row, pseudonym(called, key), assignment(called), digests, refusal)


def people(path: Path, key: bytes) -> set[str]:
    """Pseudonyms of whoever a file may be of: by its name, and by its header where it is a DICOM file."""
    found = {pseudonym(path.stem.strip() or path.name, key)}
    try:
        data = path.read_bytes()
        named = source_patient(data) if data[128:132] == DICOM else None
    except (OSError, UnusableFile):
        # It will not be decoded either.
        return found
    return found | ({pseudonym(named, key)} if named else set())


def _digests(path: Path) -> tuple[tuple[str, ...], str]:
    try:
        return (digest_of(path.read_bytes()), "", ""), ""
    except FileNotFoundError:
        return (), "there is no such file; correct its path"
    except OSError as error:
        return (), f"the file cannot be read ({type(error).__name__}); see that it is a file and may be read"
