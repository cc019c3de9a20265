"""Settings of the leak control."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Variant = Literal["used", "convex", "trained", "pbtseg", "supplied", "exact", "lesion_cut"]
USED: Variant = "used"


class LeakSettings(BaseModel):
    """Which masks are compared, and what scores the radiographs that they bring to the reference."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    variants: list[Variant] = Field(
        default=["used", "convex", "trained", "pbtseg", "supplied", "exact", "lesion_cut"],
        description="masks of every radiograph: those that the cohort uses, their lungs' convex hulls (nothing opaque "
        "is left out), those of the cohort's lung segmenter where others are in use, PBTSeg's, the supplied ones; of "
        "phantoms the exact ones; those less the lesions, where known",
    )

    @model_validator(mode="after")
    def _with_used(self) -> Self:
        if USED not in self.variants or len(set(self.variants)) != len(self.variants):
            raise ValueError(f"variants must name {USED}, with which the others are compared, and none twice")
        return self

    size: int = Field(default=128, ge=16, le=256, multiple_of=4, description="side of the compared images, pixels")
    components: int = Field(default=32, ge=1, description="principal components of normal lungs")
    field_components: int = Field(default=8, ge=1, description="principal components of normal lungs' fields")
    field_side: int = Field(default=64, ge=8, le=256, description="side of the grid on which fields are compared")
    top_share: float = Field(default=0.05, gt=0, le=1, description="highest share of the pixels, of the top5 scores")
    radiographs: int = Field(
        default=400, ge=10, description="at most this many training normals, and of each class in test, take part"
    )
    smallest_share: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="a variant that fewer radiographs have is left out; else the comparison is on those that have all",
    )
    smallest_normals: int = Field(default=8, ge=2, description="training normals that a fit needs")
    translators: bool = Field(
        default=False,
        description="also score by the cohort's GANs on IT-PR, first seed, where they are of the same image size",
    )
    confidence: float = Field(default=0.95, gt=0.5, lt=1, description="level of every interval")
