import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.evaluation.patients import by_patient, patient_groups


def test_patients_in_order_with_the_highest_or_the_mean_score() -> None:
    patients, scores, labels = ["b", "a", "b", "c"], [0.2, 0.5, 0.6, 0.1], [False, True, False, False]
    highest, mean = (by_patient(patients, scores, labels, how) for how in ("max", "mean"))
    assert highest.patients == mean.patients == ["b", "a", "c"]
    np.testing.assert_allclose(highest.scores, [0.6, 0.5, 0.1])
    np.testing.assert_allclose(mean.scores, [0.4, 0.5, 0.1])
    assert highest.labels.tolist() == [False, True, False]


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.floats(-9, 9), st.booleans()), max_size=12))
@settings(max_examples=60, deadline=None)
def test_grouping_equals_a_dictionary_of_lists(rows: list[tuple[str, float, bool]]) -> None:
    plain: dict[str, list[tuple[float, bool]]] = {}
    for patient, score, label in rows:
        plain.setdefault(patient, []).append((score, label))
    names, scores, labels = [r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows]
    for how, reduce in (("max", np.max), ("mean", np.mean)):
        found = by_patient(names, scores, labels, "max" if how == "max" else "mean")
        assert found.patients == list(plain)
        np.testing.assert_allclose(found.scores, [reduce([s for s, _ in mine]) for mine in plain.values()], atol=1e-12)
        assert found.labels.tolist() == [any(label for _, label in mine) for mine in plain.values()]


def test_convention_a_patient_with_one_abnormal_radiograph_is_abnormal() -> None:
    assert by_patient(["a", "a"], [1, 2], [0, 1], "max").labels.tolist() == [True]


def test_missing_scores_are_not_hidden_by_the_aggregation() -> None:
    assert np.isnan(by_patient(["a", "a"], [1.0, np.nan], [0, 0], "max").scores).all()
    assert np.isnan(by_patient(["a", "a"], [1.0, np.nan], [0, 0], "mean").scores).all()


def test_single_radiographs_pass_unchanged_and_lengths_must_agree() -> None:
    scores = np.random.default_rng(0).normal(size=5)
    found = by_patient(list("abcde"), scores, [0, 1, 0, 1, 0], "max")
    np.testing.assert_array_equal(found.scores, scores)
    with pytest.raises(ValueError, match="equally long"):
        by_patient(["a"], [1.0, 2.0], [0], "max")
    with pytest.raises(ValueError, match="equally long"):
        patient_groups(["a"], [0, 1])
