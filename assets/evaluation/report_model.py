"""What the report of a cohort says, as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from assets.evaluation.comparison import Comparison
from assets.evaluation.roc import Auc
from assets.evaluation.shortcuts import Shortcut


@dataclass(frozen=True)
class ScoreResult:
    """How well one score separates the patients.

    Attributes:
        score: its name, such as `score_mean`.
        positives: abnormal patients scored.
        negatives: normal patients scored.
        auc: None where undefined.
        average_precision: None where undefined.
        sensitivity: at the settings' specificity; None where undefined.
        reason: empty, or why the three are missing.
    """

    score: str
    positives: int
    negatives: int
    auc: Auc | None
    average_precision: float | None
    sensitivity: float | None
    reason: str = ""


@dataclass(frozen=True)
class ArmResult:
    """One arm: a translator trained on images aligned in one way, with one seed.

    Attributes:
        alignment: such as `it_dpr`.
        method: such as `cyclegan`.
        seed: of the training.
        seconds: training and translation; None where not measured.
        results: one a score; the headline's among them.
    """

    alignment: str
    method: str
    seed: int
    seconds: float | None
    results: tuple[ScoreResult, ...]

    @property
    def name(self) -> str:
        """For people: `it_dpr/cyclegan, seed 0`."""
        return f"{self.alignment}/{self.method}, seed {self.seed}"

    def result(self, score: str) -> ScoreResult | None:
        """The result of one score, None where the arm has none."""
        return next((result for result in self.results if result.score == score), None)


@dataclass(frozen=True)
class ArmComparison:
    """Difference of two arms' areas on the same patients; `comparison` is None, with a reason, where undefined."""

    first: str
    second: str
    comparison: Comparison | None
    reason: str = ""


@dataclass(frozen=True)
class StageCount:
    """What became of a stage's rows, and how long it took; `seconds` is None where not measured."""

    stage: str
    ok: int
    needs_review: int = 0
    rejected: int = 0
    failed: int = 0
    seconds: float | None = None


@dataclass(frozen=True)
class SetAside:
    """How many radiographs a stage set aside for one reason."""

    stage: str
    reason: str
    count: int


@dataclass(frozen=True)
class Picture:
    """A picture of the report.

    Attributes:
        title: heading.
        caption: what to see in it, without a patient's identifier or a file name; it is the alternative text too.
        png: the file's bytes; `assets.pictures.to_png` keeps them small.
        wide: takes the whole width of the page.
    """

    title: str
    caption: str
    png: bytes
    wide: bool = True


@dataclass(frozen=True)
class Report:
    """Everything a report of one cohort shows.

    Attributes:
        cohort: its name, the title.
        created: date and time as text; fixed by the caller, so that equal inputs give equal files.
        headline: name of the score of the summary.
        confidence: level of the intervals.
        specificity: at which sensitivities were read.
        arms: every arm evaluated.
        shortcuts: areas of what sees no disease, on the same patients.
        comparisons: of arms, may be empty.
        stages: in the order of the pipeline.
        set_aside: reasons with counts.
        pictures: in the order shown.
        settings: text of the settings, JSON or YAML.
        digests: of the manifests read, by stage.
        versions: of the software, by package.
        notes: sentences on the limits of this run, such as a synthetic cohort or few training steps.
    """

    cohort: str
    created: str
    headline: str
    confidence: float
    specificity: float
    arms: tuple[ArmResult, ...]
    shortcuts: tuple[Shortcut, ...] = ()
    comparisons: tuple[ArmComparison, ...] = ()
    stages: tuple[StageCount, ...] = ()
    set_aside: tuple[SetAside, ...] = ()
    pictures: tuple[Picture, ...] = ()
    settings: str = ""
    digests: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def best(self) -> ArmResult | None:
        """The arm with the largest headline area, the first of equals; None where no arm has one."""
        areas = {arm: self.headline_auc(arm) for arm in self.arms}
        defined = [(auc.area, arm) for arm, auc in areas.items() if auc is not None]
        return max(defined, key=lambda pair: pair[0])[1] if defined else None

    def headline_auc(self, arm: ArmResult) -> Auc | None:
        """Area of the headline score of an arm, None where undefined."""
        result = arm.result(self.headline)
        return result.auc if result else None
