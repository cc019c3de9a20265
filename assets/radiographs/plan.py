"""What a shard has to do: for each of its rows the patient, the digests of its files, or why it is refused."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from assets.radiographs.consistency import conflicting_patients
from assets.radiographs.decoded import UnusableFile
from assets.radiographs.identity import assignment, pseudonym
from assets.radiographs.settings import RadiographSettings
from assets.radiographs.source_files import SourceFiles
from assets.radiographs.source_row import SourceRow
from assets.radiographs.split import assign_split
from assets.radiographs.storage_errors import may_pass, no_answer

NO_PATIENT = "its header names no patient; set patient_from to column or name"


@dataclass(frozen=True)
class Planned:
    """One row before anything is decoded.

    Attributes:
        row: as the source describes it.
        patient: pseudonym, None where the patient is not known.
        assignment: what split and shard are drawn by.
        digests: of its files in the order of `SourceRow.files`, empty for one that it lacks; none if it is refused.
        refusal: why it cannot be used, empty if it can.
    """

    row: SourceRow
    patient: str | None
    assignment: str
    digests: tuple[str, ...] = ()
    refusal: str = ""

    @property
    def inputs(self) -> list[str]:
        """What the row's key hangs on besides settings."""
        if self.refusal:
            return ["refused", self.refusal]
        row = self.row
        said = json.dumps([row.boxes, row.true_aspect_wh, row.view, row.sex, row.age])
        # Rows without such masks have the keys that they had before there were any.
        encoded = [f"encoded {row.encoded_lungs.digest}"] if row.encoded_lungs else []
        left_out = [f"no mask: {row.mask_problem}"] if row.mask_problem else []
        return [*self.digests, said, *encoded, *left_out]

    def carried(self, settings: RadiographSettings) -> dict[str, Any]:
        """Manifest columns that are known before anything is decoded."""
        row = self.row
        given = {"domain": row.domain, "label": row.label, "view": row.view, "sex": row.sex, "age": row.age}
        return {
            **{name: value for name, value in given.items() if value is not None},
            "row": row.number,
            "patient": self.patient,
            "split": assign_split(
                self.assignment,
                settings.test_share,
                settings.validation_share,
                settings.split_seed,
                may_be_held_out=row.may_be_held_out,
                folds=settings.folds,
                fold=settings.fold,
            ),
            "file_digest": self.digests[0] if self.digests else None,
        }


def people(rows: Sequence[SourceRow], files: SourceFiles, key: bytes, in_header: bool) -> Iterator[Planned]:
    """Rows with their patients, in the rows' order; the digests of their files are still to come.

    Args:
        rows: of one shard; of the whole cohort where headers name the patients.
        files: asked for headers only.
        key: of the pseudonyms.
        in_header: whether headers name the patients.

    Raises:
        OSError: the storage does not answer.
    """
    conflicts = conflicting_patients(rows)
    for row in rows:
        refusal = row.problem or conflicts.get(row.number, "")
        if in_header and not refusal:
            yield _by_header(row, files)
        else:
            named = pseudonym(row.patient, key) if row.patient else None
            yield Planned(row, named, assignment(row.assigned_by), refusal=refusal)


def _by_header(row: SourceRow, files: SourceFiles) -> Planned:
    unknown = Planned(row, None, assignment(row.assigned_by))
    try:
        facts = files.facts(row.image, header=True)
    except MemoryError:
        raise
    except Exception as error:
        if may_pass(error):
            raise no_answer(error) from None
        return replace(unknown, refusal=_unread("image", error))
    if facts.patient is None or facts.assignment is None:
        return replace(unknown, refusal=NO_PATIENT)
    return Planned(row, facts.patient, facts.assignment, (facts.digest,))


def with_digests(planned: Planned, files: SourceFiles, in_header: bool) -> Planned:
    """A row with the digests of all its files, refused where one cannot be read.

    Raises:
        OSError: the storage does not answer, which is no fault of the row.
    """
    if planned.refusal:
        return planned
    digests = []
    for kind, path in planned.row.files:
        try:
            header = in_header and kind == "image"
            digests.append("" if path is None else files.facts(path, header=header).digest)
        except MemoryError:
            raise
        except Exception as error:
            if may_pass(error):
                raise no_answer(error) from None
            return replace(planned, digests=(), refusal=_unread(kind, error))
    return replace(planned, digests=tuple(digests))


def read_files(rows: Sequence[SourceRow], in_header: bool) -> list[tuple[str, bool]]:
    """Paths of the rows' files, each with whether its header names the patient."""
    return [(path, in_header and kind == "image") for row in rows for kind, path in row.files if path is not None]


def _unread(kind: str, error: Exception) -> str:
    if isinstance(error, UnusableFile):
        return str(error)
    return f"its {kind} file cannot be read ({type(error).__name__}); restore it or drop the row"
