"""What the registration benchmark prints."""

from collections.abc import Mapping

from assets.registration_report.settings import ArmName
from tests.benchmarks.registration_damage import Loss
from tests.benchmarks.registration_measures import CPU_MS, Figures

KEYS = (
    "landmark_px_mean",
    "landmark_px_p90",
    "dice",
    "hd95_px",
    "folded_share",
    "lesion_area_ratio",
    "lesion_contrast_ratio",
    "ms",
    "peak_mib",
)
BESIDES = (
    "lesion_area_ratio_p10",
    "lesion_area_ratio_p90",
    CPU_MS,
    "log_jacobian_sd",
    "inverse_mean_px",
    "inverse_max_px",
)
# Arms whose time the others are measured by.
SLOW: tuple[ArmName, ...] = ("affine_bspline", "syn")
SHORT = {
    "landmark_px_mean": ("LM px", 2),
    "landmark_px_p90": ("p90 px", 2),
    "dice": ("Dice", 4),
    "hd95_px": ("HD95 px", 2),
    "folded_share": ("folded", 6),
    "lesion_area_ratio": ("area", 3),
    "lesion_contrast_ratio": ("contrast", 3),
    "lesion_area_ratio_p10": ("area p10", 3),
    "lesion_area_ratio_p90": ("area p90", 3),
    "ms": ("ms", 2),
    "peak_mib": ("MiB", 1),
    CPU_MS: ("cpu ms", 2),
    "log_jacobian_sd": ("SD log J", 3),
    "inverse_mean_px": ("inv px", 3),
    "inverse_max_px": ("inv max", 2),
}


def print_arms(figures: Mapping[ArmName, Figures], pairs: int) -> None:
    """A line an arm, with how many times faster it is than the slow ones."""
    names = [*KEYS, *BESIDES]
    slow = [arm for arm in SLOW if arm in figures]
    print(f"\nthe same {pairs} pairs, one thread; lesions: median over abnormal subjects; ms: median until warped")
    print("area shows squeezing, contrast shows dimming: a lesion squeezed as a whole keeps its contrast")
    print("p90 px is over all landmarks pooled; inv px only for arms with an inverse of their own")
    heads = [SHORT[name][0] for name in names] + [f"x {arm}" for arm in slow]
    print(f"{'arm':<16}" + "".join(f"{head:>{_width(head)}}" for head in heads))
    for arm, found in figures.items():
        cells = [_cell(found[name], SHORT[name][1]) for name in names]
        cells += [_cell(times_faster(found, figures[other]), 1) for other in slow]
        print(f"{arm:<16}" + "".join(f"{cell:>{_width(head)}}" for cell, head in zip(cells, heads, strict=True)))


def print_losses(losses: Mapping[str, Mapping[ArmName, Loss]]) -> None:
    """Mean landmark error with clean and damaged masks, and what the damage costs."""
    print("\nmean landmark error, px, with damaged masks; bites, jagged borders and missing bases are also trained on")
    print(f"{'damage':<34}{'arm':<8}{'clean':>8}{'damaged':>9}{'lost':>8}")
    for damage, by_arm in losses.items():
        for arm, loss in by_arm.items():
            print(f"{damage:<34}{arm:<8}{loss.clean:>8.2f}{loss.damaged:>9.2f}{loss.lost:>8.2f}")


def as_json(figures: Mapping[ArmName, Figures]) -> dict[str, dict[str, float | None]]:
    """The figures by arm under exactly `KEYS`, rounded to six digits."""
    return {arm: {name: _rounded(found[name]) for name in KEYS} for arm, found in figures.items()}


def times_faster(figures: Figures, slow: Figures) -> float | None:
    """How many times as long the slow arm takes for an image."""
    own, other = figures["ms"], slow["ms"]
    return other / own if own and other else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")


def _cell(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _width(head: str) -> int:
    return max(9, len(head) + 2)
