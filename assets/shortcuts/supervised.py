"""A logistic regression that was not told of the patients that it scores."""

import numpy as np
import numpy.typing as npt

from assets.evaluation.roc import Undefined

F64 = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Patients = npt.NDArray[np.str_]

_ITERATIONS = 5000


def fitted_scores(features: F64, labels: Bools, asked: F64, inverse_l2: float) -> F64:
    """Log-odds of being abnormal by a regression on other radiographs.

    Features are standardised by the radiographs that it is fitted on. The classes count the same, whatever their
    sizes: the area does not depend on the prevalence.

    Args:
        features: (N, D) finite.
        labels: (N,), true is abnormal, both present.
        asked: (M, D) finite.
        inverse_l2: inverse weight of the penalty, divided by D here.

    Returns:
        (M,) float64.
    """
    # Seconds that only those wait for who fit.
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    regression = LogisticRegression(C=inverse_l2 / features.shape[1], class_weight="balanced", max_iter=_ITERATIONS)
    model = make_pipeline(StandardScaler(), regression).fit(features, labels)
    return np.asarray(model.decision_function(asked), dtype=np.float64)


def crossfitted_scores(features: F64, labels: Bools, patients: Patients, inverse_l2: float, folds: int) -> F64:
    """Log-odds of every radiograph by a regression on other patients' radiographs.

    Args:
        features: (N, D) finite.
        labels: (N,), true is abnormal; at least `folds` patients of each class.
        patients: (N,); a patient's radiographs stay together.
        inverse_l2: as in `fitted_scores`.
        folds: parts of the patients, each with both classes in their proportion.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    scores = np.full(len(labels), np.nan)
    parts = StratifiedGroupKFold(folds, shuffle=True, random_state=0)
    for rest, part in parts.split(features, labels, patients):
        scores[part] = fitted_scores(features[rest], labels[rest], features[part], inverse_l2)
    return scores


def require_classes(labels: Bools, patients: Patients, smallest: int) -> int:
    """Number of patients, where there are enough of each class to fit a regression.

    Raises:
        Undefined: there are not.
    """
    sick, well = len(set(patients[labels])), len(set(patients[~labels]))
    if min(sick, well) < smallest:
        raise Undefined(
            f"needs {smallest} abnormal and {smallest} normal patients to be fitted on, got {sick} and {well}"
        )
    return len(set(patients))
