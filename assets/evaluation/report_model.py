"""What the report of a cohort says, as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from assets.evaluation.comparison import Comparison
from assets.evaluation.roc import Auc


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
        seconds: of the training; None where not measured.
        results: one a score; the headline's among them.
        headline: name of the score that speaks for the arm in the summary.
    """

    alignment: str
    method: str
    seed: int
    seconds: float | None
    results: tuple[ScoreResult, ...]
    headline: str = "score_mean"

    @property
    def name(self) -> str:
        """For people: `it_dpr/cyclegan, seed 0`."""
        return f"{self.alignment}/{self.method}, seed {self.seed}"

    def result(self, score: str) -> ScoreResult | None:
        """The result of one score, None where the arm has none."""
        return next((result for result in self.results if result.score == score), None)


@dataclass(frozen=True)
class ShortcutResult:
    """How well something that sees no disease separates the same patients.

    Attributes:
        name: what it is.
        kind: plain, a quantity as it stands, or supervised, a regression fitted on training patients.
        auc: below 1/2 where abnormal patients have less of it; None where undefined.
        strength: area in the direction that a model would use; None where undefined.
        reason: empty, or why the two are missing.
    """

    name: str
    kind: str
    auc: Auc | None
    strength: float | None
    reason: str = ""


@dataclass(frozen=True)
class ArmComparison:
    """Difference of two arms' areas on what both have scored.

    Attributes:
        first: an arm's name.
        second: another's.
        comparison: None, with a reason, where undefined.
        reason: empty, or why.
        sampled: the same difference with the bootstrap's interval.
        normals: normal patients of whom both have scored the same radiographs.
        abnormals: abnormal ones.
    """

    first: str
    second: str
    comparison: Comparison | None
    reason: str = ""
    sampled: Comparison | None = None
    normals: int | None = None
    abnormals: int | None = None


@dataclass(frozen=True)
class ThresholdResult:
    """What the threshold of validation does to test patients, and how much hangs on it (see `stability`).

    `intervals` are of the last three, by name; None where not told.
    """

    arm: str
    score: str
    threshold: float | None
    sensitivity: float | None
    specificity: float | None
    balanced_accuracy: float | None
    plateau_width: float | None
    mean_balanced_accuracy: float | None
    youden_loss: float | None
    intervals: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)


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
        headline: which score speaks for an arm in the summary, in words.
        confidence: level of the intervals.
        specificity: at which sensitivities were read.
        arms: every arm evaluated.
        shortcuts: areas of what sees no disease, on the same patients.
        comparisons: of arms, may be empty.
        thresholds: of the headline score of every arm.
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
    shortcuts: tuple[ShortcutResult, ...] = ()
    comparisons: tuple[ArmComparison, ...] = ()
    thresholds: tuple[ThresholdResult, ...] = ()
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

    def strongest(self) -> ShortcutResult | None:
        """The shortcut that separates best, the first of equals; None where none is defined."""
        defined = [shortcut for shortcut in self.shortcuts if shortcut.strength is not None]
        return max(defined, key=lambda shortcut: shortcut.strength or 0.0, default=None)

    def exceeds_shortcuts(self, arm: ArmResult) -> bool:
        """Whether the headline area of an arm is defined and above that of every shortcut."""
        found, rival = self.headline_auc(arm), self.strongest()
        return found is not None and (rival is None or found.area > (rival.strength or 0.0))

    def headline_auc(self, arm: ArmResult) -> Auc | None:
        """Area of the headline score of an arm, None where undefined."""
        result = arm.result(arm.headline)
        return result.auc if result else None
