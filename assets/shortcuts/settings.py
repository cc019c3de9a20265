"""Settings of the shortcut audit."""

from pydantic import BaseModel, ConfigDict, Field


class ShortcutSettings(BaseModel):
    """What is looked at, how strongly a regression is bound, and when a shortcut counts as strong."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    limit: float = Field(
        default=0.7, ge=0.5, le=1, description="strongest area that the check `shortcuts_weak` lets pass"
    )
    thumbnail: int = Field(default=32, ge=8, le=128, description="side of the thumbnails, pixels")
    frame_share: float = Field(
        default=0.1, gt=0, lt=0.5, description="width of the border that is looked at, as a share of the side"
    )
    histogram_bins: int = Field(default=32, ge=2, le=256, description="gray values told apart by the histogram")
    # 348 to 2048 pixels and 32 bins of real radiographs are all at their best near this, once it is shared among them
    inverse_l2: float = Field(
        default=3.0,
        gt=0,
        description="freedom of a regression: inverse weight of its L2 penalty, divided by the number of features",
    )
    smallest_class: int = Field(
        default=5, ge=2, description="patients of each class that a regression needs to be fitted"
    )
    crossfit_folds: int = Field(
        default=5,
        ge=2,
        le=20,
        description="without training patients: parts in which test patients are scored by regressions on the others",
    )
    radiographs: int = Field(
        default=1500, ge=10, description="at most this many of each class are looked at in training and in test"
    )
    confidence: float = Field(default=0.95, gt=0.5, lt=1, description="level of every interval")
