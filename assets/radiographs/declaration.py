"""Declaration of a cohort: where its files are, which patient and label each has, and what the labels mean."""

import difflib
import re
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from assets.radiographs.declared_masks import MASK_FIELDS, CheXmask, mask_ways_problem
from assets.radiographs.paths import below_the_root, path_problem
from assets.radiographs.phantom.settings import PhantomSettings

Domain = Literal["normal", "abnormal", "other"]
PatientRule = Literal["column", "name", "header"]


class DeclarationError(ValueError):
    """A cohort is declared wrongly, or its table does not fit the declaration."""


class Columns(BaseModel):
    """Which column of the table holds what."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    image: str = Field(default="image", description="path of the image below the root")
    label: str = Field(default="label", description="label, one of those the cohort lists")
    patient: str | None = Field(default=None, description="patient id; without it see patient_from")
    lung_mask: str | None = Field(default=None, description="path of the lung mask below the root, may be empty")
    right_lung_mask: str | None = Field(
        default=None, description="path of the mask of the patient's right lung (image-left), may be empty"
    )
    left_lung_mask: str | None = Field(
        default=None, description="path of the mask of the patient's left lung, goes with right_lung_mask"
    )
    right_lung_rle: str | None = Field(
        default=None, description="the patient's right lung, run-length encoded as by CheXmask, may be empty"
    )
    left_lung_rle: str | None = Field(default=None, description="the patient's left lung, goes with right_lung_rle")
    mask_height: str | None = Field(default=None, description="rows of the run-length encoded masks")
    mask_width: str | None = Field(default=None, description="columns of the run-length encoded masks")
    lesion_mask: str | None = Field(default=None, description="path of the lesion mask below the root, may be empty")
    boxes: str | None = Field(
        default=None, description="JSON list of [x, y, width, height] or [x, y, width, height, class], source pixels"
    )
    view: str | None = Field(default=None, description="PA, AP or another view")
    sex: str | None = Field(default=None, description="M or F")
    age: str | None = Field(default=None, description="years")
    true_aspect_wh: str | None = Field(default=None, description="width / height before the image was squashed")


class CohortDeclaration(BaseModel):
    """One cohort, as its YAML file declares it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9_-]{1,40}$", description="short name, used in partition keys and paths")
    title: str = Field(default="", description="name for people")
    description: str = Field(default="", description="what the cohort is and what to beware of")
    citation: str = Field(default="", description="paper and terms to name when results are published")
    kind: Literal["files", "phantom"] = Field(default="files", description="source files, or rendered phantoms")
    root: str = Field(default="", description="folder of the source files: a local path or any fsspec URL")
    storage_options: dict[str, str] = Field(
        default_factory=dict, repr=False, description="fsspec options of the root, such as an endpoint"
    )
    table: str | None = Field(default=None, description="CSV or Parquet file below the root, one row an image")
    columns: Columns = Field(default=Columns(), description="which column of the table holds what")
    folders: dict[str, str] = Field(
        default_factory=dict, description="without a table: folder below the root -> label of its images"
    )
    pattern: str = Field(default="**/*", description="which files of the folders, as a glob on the path below the root")
    patient_from: PatientRule | None = Field(
        default=None,
        description="column, name (file name) or header (DICOM); column if columns.patient is set, else name",
    )
    patient_pattern: str = Field(
        default=r"(?P<patient>.+)", description="regular expression the file name without suffix must match entirely"
    )
    mask_folder: str | None = Field(
        default=None, description="without a table: folder of the lung masks below the root"
    )
    right_mask_folder: str | None = Field(
        default=None, description="without a table: folder of the masks of the patient's right lung (image-left)"
    )
    left_mask_folder: str | None = Field(
        default=None, description="without a table: folder of the masks of the patient's left lung"
    )
    mask_suffix: str = Field(default=".png", description="a mask's name is its image's name without suffix, and this")
    chexmask: CheXmask | None = Field(
        default=None, description="run-length encoded lung masks of a published table, joined by file name"
    )
    rows: str | None = Field(default=None, description="text file below the root, one image path a line")
    rows_for: Literal["all", "held_out"] = Field(
        default="all",
        description="all: only the images of `rows` are used; held_out: all images are used, and only patients whose "
        "images are all in `rows` can be in test or validation, the others train",
    )
    normal_labels: list[str] = Field(default_factory=list, description="labels of the normal domain")
    abnormal_labels: list[str] = Field(default_factory=list, description="labels of the abnormal domain")
    other_labels: list[str] = Field(
        default_factory=list, description="labels that are kept but neither trained nor scored on"
    )
    unlabelled: bool = Field(
        default=False,
        description="no image has a label: all are scored with the models of another cohort, none is trained on; "
        "columns.label is not read",
    )
    variant_of: str | None = Field(
        default=None,
        description="cohort whose images these are under another split, as a study's folds are; rows are compared with "
        "no other cohort's, and others' not with these",
    )
    undo_squash: bool = Field(default=False, description="undo squashing; all images then need true_aspect_wh")
    shards: int = Field(default=1, ge=1, le=99, description="parts of the cohort that are processed apart")
    phantom: dict[str, Any] | None = Field(default=None, description="settings of the phantoms, kind phantom only")
    settings: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="stage -> its settings that differ from the defaults"
    )

    @property
    def patient_rule(self) -> PatientRule:
        """Where patients are told from, the default resolved."""
        return self.patient_from or ("column" if self.table and self.columns.patient else "name")

    def domain_of(self, label: str) -> Domain | None:
        """Domain of a label, None if the cohort does not list it."""
        if self.unlabelled:
            return "other"
        domains: dict[Domain, list[str]] = {
            "normal": self.normal_labels,
            "abnormal": self.abnormal_labels,
            "other": self.other_labels,
        }
        return next((domain for domain, labels in domains.items() if label in labels), None)

    @field_validator("table", "rows", "mask_folder", "right_mask_folder", "left_mask_folder")
    @classmethod
    def _stays_below_the_root(cls, value: str | None) -> str | None:
        return None if value is None else below_the_root(value)

    @field_validator("patient_pattern")
    @classmethod
    def _names_the_patient(cls, value: str) -> str:
        try:
            groups = re.compile(value).groupindex
        except re.error as error:
            raise ValueError(f"not a regular expression ({error}); mend it") from None
        if "patient" not in groups:
            raise ValueError("has no group named patient; write (?P<patient>...) round the part that names the patient")
        return value

    @field_validator("phantom")
    @classmethod
    def _fits_the_phantoms(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        try:
            PhantomSettings(**(value or {}))
        except ValidationError as error:
            raise ValueError(" / ".join(_problems(error, PhantomSettings))) from None
        return value

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        mask_problem = mask_ways_problem(self.table is not None, self._mask_fields())
        problem = self._source_problem() or mask_problem or self._label_problem()
        if problem:
            raise ValueError(problem)
        return self

    def _source_problem(self) -> str | None:
        if self.kind == "phantom":
            extra = [name for name in ("root", "table", "folders", "rows", *MASK_FIELDS) if getattr(self, name)]
            return f"kind phantom reads no files; remove {', '.join(extra)}" if extra else None
        if self.phantom is not None:
            return "phantom is set but kind is files; write kind: phantom or remove it"
        if not self.root:
            return "root is missing; name the folder or URL of the source files"
        if (self.table is None) == (not self.folders):
            return "expected either table or folders; set one of them and remove the other"
        for folder in self.folders:
            if folder != "." and (problem := path_problem(folder)):
                return f"folders: {folder!r} {problem}"
        if self.rows_for == "held_out" and (self.rows is None or self.patient_rule == "header"):
            return "rows_for is held_out; name the images in rows, and patients by a column or by file names"
        if self.patient_from == "column" and not (self.table and self.columns.patient):
            return "patient_from is column, but columns.patient is not set; name the column"
        return None

    def _mask_fields(self) -> dict[str, object]:
        return {**self.columns.model_dump(), **{name: getattr(self, name) for name in MASK_FIELDS}}

    def _label_problem(self) -> str | None:
        labels = [*self.normal_labels, *self.abnormal_labels, *self.other_labels]
        if self.unlabelled:
            return "unlabelled is set, but labels are listed; remove them or unlabelled" if labels else None
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice:
            return f"label {twice[0]!r} is listed twice; keep it in one of normal_labels, abnormal_labels, other_labels"
        if not labels:
            return (
                "no label is listed; list at least one in normal_labels or abnormal_labels, or set unlabelled where "
                "the images are only to be scored"
            )
        unlisted = sorted({label for label in self.folders.values() if label not in labels})
        if unlisted:
            return f"folders: label {unlisted[0]!r} is not listed; add it to normal_, abnormal_ or other_labels"
        return None


def parse_declaration(mapping: Mapping[str, Any]) -> CohortDeclaration:
    """Declaration from a YAML mapping whose variables are expanded.

    Raises:
        DeclarationError: one line a problem: the field, what was found, what to do.
    """
    try:
        return CohortDeclaration(**mapping)
    except ValidationError as error:
        name = str(mapping.get("name", "without a name"))[:40]
        lines = _problems(error, CohortDeclaration)
        raise DeclarationError("\n".join(f"cohort {name!r}: {line}" for line in lines)) from None


def schema() -> dict[str, Any]:
    """JSON schema of a declaration, for editors and documentation."""
    return CohortDeclaration.model_json_schema()


def _problems(error: ValidationError, model: type[BaseModel]) -> list[str]:
    return [_problem(item, model) for item in error.errors(include_url=False, include_context=False)]


def _problem(item: Any, model: type[BaseModel]) -> str:  # noqa: ANN401 (pydantic_core.ErrorDetails is not public)
    field = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        parts: dict[object, type[BaseModel]] = {"columns": Columns, "chexmask": CheXmask}
        owner = parts.get(item["loc"][0], model)
        close = difflib.get_close_matches(str(item["loc"][-1]), owner.model_fields, n=1)
        hint = f"did you mean `{close[0]}`?" if close else f"known: {', '.join(owner.model_fields)}"
        return f"`{field}` is no known field; {hint}"
    if item["type"] == "missing":
        return f"`{field}` is missing; set it"
    reason = item["msg"].removeprefix("Value error, ")
    # Options may hold what an environment variable was expanded to.
    if not item["loc"] or item["loc"][0] == "storage_options" or item["type"] == "value_error":
        return f"`{field}`: {reason}" if field else reason
    found = repr(item["input"])[:60]
    return f"`{field}`: found {found}; {reason[0].lower()}{reason[1:]}; correct it"
