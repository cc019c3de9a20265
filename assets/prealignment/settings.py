"""Settings of the pre-alignment stage."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class PrealignmentSettings(BaseModel):
    """How lungs are mapped into the frame of the reference lungs (IT-PR).

    The published description (Oh, Kim, Lim et al., Sci Rep 2026, doi 10.1038/s41598-026-39979-2) says that
    each lung is scaled and moved separately, relative to one reference lung, but gives no formula. The modes
    are readings of it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Literal["rows_tilt", "rows", "box", "harmonic"] = Field(
        default="rows_tilt",
        description="rows: row-wise lung coordinates; rows_tilt: the same after rotating the lungs to the "
        "reference's tilt; box: bounding box of each lung; harmonic: outlines matched by arc length, everything "
        "else by Laplace's equation",
    )
    row_smoothing: float = Field(
        default=1 / 128,
        ge=0.0,
        le=0.1,
        description="Gaussian sigma that smooths a lung's left and right border, or in mode harmonic its outline, as "
        "a fraction of the image height",
    )
    base_level: float = Field(
        default=0.65,
        ge=0.0,
        le=1.0,
        description="Height that counts as the base of a lung: this quantile of its lower border over its "
        "columns. 1 is the lowest pixel, the costophrenic tip, whose depth varies more than the diaphragm's",
    )
    retreat_limit: float = Field(
        default=2.0,
        gt=0.0,
        description="Towards apex and base a border may retreat by at most this many lung widths per lung "
        "height; a row below one corner of the base would otherwise jump across the diaphragm to the other",
    )
    minimum_row_width: float = Field(
        default=1.0,
        gt=0.0,
        description="Rows of a lung narrower than this many pixels are widened to it (apex, costophrenic tip)",
    )
    tilt_limit_degrees: float = Field(
        default=15.0,
        ge=0.0,
        le=45.0,
        description="Largest rotation that rows_tilt and harmonic correct; a larger one is cut to this",
    )
    exact_margin: float = Field(
        default=2 / 256,
        ge=0.0,
        le=0.1,
        description="Around each lung the lung's own map is kept this far out, as a fraction of the image height",
    )
    feather_margin: float = Field(
        default=8 / 256,
        gt=0.0,
        le=0.2,
        description="Width of the band in which the lung's own map fades into the smooth extension, as a "
        "fraction of the image height",
    )


class ReferenceSettings(BaseModel):
    """What the reference lungs are, which training images they come from, and when they are made again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    borrow_from: str = Field(
        default="", description="Use the reference of this cohort, COHORT or COHORT@DIGEST; empty to choose one"
    )
    kind: Literal["medoid", "mean", "symmetric"] = Field(
        default="medoid",
        description="medoid: the training normal whose lungs are most typical; mean: mean shape of the training "
        "normals, with their mean image; symmetric: the mean shape made its own mirror image",
    )
    candidates: int = Field(
        default=200, ge=1, description="At most this many training normals are compared or averaged"
    )
    refit: bool = Field(default=False, description="Choose the reference again although the present one is still valid")
