"""Settings of the radiographs stage."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class RadiographSettings(BaseModel):
    """How source files become radiographs on the canvas, and who belongs to which split."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # What small networks need; the default ones of registration and its peers need multiples of 64 and say so.
    size: int = Field(default=256, ge=32, le=2048, multiple_of=16, description="side of the square canvas, pixels")
    max_pixels: int = Field(
        default=64_000_000,
        ge=1024,
        le=150_000_000,
        description="samples (width x height x channels) a file may declare before it is decoded",
    )
    max_bytes: int = Field(default=256 * 1024 * 1024, ge=1024, description="size a source file may have, bytes")
    undo_squash: bool = Field(
        default=False,
        description="stretch images that were squashed to squares back to their true aspect; "
        "for all rows of a comparison or for none",
    )
    test_share: float = Field(
        default=0.25, ge=0, le=1, description="expected share of patients in the test split; 1 where nothing is trained"
    )
    validation_share: float = Field(
        default=0.15,
        ge=0,
        lt=1,
        description="expected share of patients in the validation split; with folds, of those outside the fold",
    )
    split_seed: int = Field(default=0, ge=0, description="another number draws another split")
    folds: int = Field(
        default=0,
        ge=0,
        le=20,
        description="cut the patients into so many parts, one of which is test; 0 for test_share",
    )
    fold: int = Field(default=0, ge=0, description="which of the folds is test, counted from 0")
    low_percentile: float = Field(
        default=0.5, ge=0, lt=50, description="percentile of the whole image that becomes black"
    )
    high_percentile: float = Field(
        default=99.5, gt=50, le=100, description="percentile of the whole image that becomes white"
    )
    share_set_aside: float = Field(
        default=0.2, ge=0, le=1, description="share of set-aside rows above which the stage's check warns"
    )
    min_contrast: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="least spread of gray values, of the file's full bit range; below it an image counts as empty",
    )

    @model_validator(mode="after")
    def _leaves_patients_to_train_on(self) -> Self:
        shared = self.test_share + self.validation_share
        if not self.folds and shared >= 1 and self.test_share != 1:
            raise ValueError(
                f"test_share + validation_share is {shared:g}; "
                "keep it below 1 so that patients remain to train on, or set test_share to 1 where nothing is trained"
            )
        if not self.folds and shared > 1:
            raise ValueError(f"test_share is 1 and validation_share {self.validation_share:g}; set the latter to 0")
        return self

    @model_validator(mode="after")
    def _is_one_of_the_folds(self) -> Self:
        if self.folds == 1 or (self.fold >= self.folds and self.fold):
            raise ValueError(
                f"folds is {self.folds} and fold {self.fold}; take at least 2 folds and one of 0 to folds - 1"
            )
        return self
