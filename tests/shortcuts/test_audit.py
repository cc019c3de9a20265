from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.shortcuts.audit import Described, Found, audit
from assets.shortcuts.settings import ShortcutSettings

SETTINGS = ShortcutSettings()


def described(seed: int = 0, count: int = 160, shift: float = 1.5) -> Described:
    """A patient a radiograph; `told` tells the classes apart, `noise` does not; `larger` is larger in abnormal ones."""
    rng = np.random.default_rng(seed)
    abnormal, training = np.arange(count) % 2 == 1, np.arange(count) % 4 < 2
    told = rng.normal(size=(count, 5))
    told[abnormal, 0] += shift
    return Described(
        np.arange(count).astype(str),
        abnormal,
        training,
        {"told": told, "noise": rng.normal(size=(count, 5))},
        {"larger": abnormal + 0.5 * rng.normal(size=count)},
    )


def by_name(given_: Described, own: ShortcutSettings = SETTINGS) -> dict[str, Found]:
    return {item.name: item for item in audit(given_, own)}


def area(found: Found) -> float:
    assert found.auc is not None, found.reason
    return found.auc.area


def test_what_tells_the_classes_apart_is_found_and_noise_is_not() -> None:
    found = by_name(described())
    assert [(item.name, item.kind) for item in found.values()] == [
        ("told", "supervised"),
        ("noise", "supervised"),
        ("larger", "plain"),
    ]
    assert area(found["told"]) > 0.75
    assert abs(area(found["noise"]) - 0.5) < 0.2
    assert area(found["larger"]) > 0.8
    assert (found["told"].positives, found["told"].negatives, found["told"].fitted_on) == (40, 40, 80)
    assert (found["larger"].fitted_on, found["told"].crossfitted) == (None, False)


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 1000))
def test_a_regression_is_told_nothing_of_the_test_patients(seed: int) -> None:
    one = described(seed)
    flipped = replace(one, abnormal=np.where(one.training, one.abnormal, ~one.abnormal))
    before, after = by_name(one), by_name(flipped)
    for name in before:
        assert area(after[name]) == pytest.approx(1 - area(before[name]))


def test_the_strength_of_a_plain_quantity_has_no_direction_and_that_of_a_regression_has() -> None:
    one = described()
    smaller = by_name(replace(one, quantities={"smaller": -one.quantities["larger"]}))["smaller"]
    assert area(smaller) < 0.2
    assert smaller.strength == pytest.approx(1 - area(smaller))
    # What was learned in training points the wrong way in test.
    wrong = by_name(replace(one, abnormal=np.where(one.training, one.abnormal, ~one.abnormal)))["told"]
    assert wrong.strength == area(wrong)
    assert area(wrong) < 0.5


def test_without_training_patients_each_is_scored_by_the_others() -> None:
    one = described()
    found = by_name(replace(one, training=np.zeros(160, dtype=np.bool_)))
    assert all(item.crossfitted for item in found.values() if item.kind == "supervised")
    assert area(found["told"]) > 0.75
    assert (found["told"].fitted_on, found["told"].positives) == (160, 80)


def test_few_training_patients_are_no_reason_to_look_at_the_test_patients() -> None:
    one = described()
    few = by_name(replace(one, training=np.arange(160) < 6))["told"]
    assert (few.auc, few.crossfitted) == (None, False)
    assert few.reason == "needs 5 abnormal and 5 normal patients to be fitted on, got 3 and 3"
    assert (
        by_name(replace(one, training=np.arange(160) < 6), ShortcutSettings(smallest_class=3))["told"].auc is not None
    )


def test_radiographs_of_whom_nothing_is_recorded_are_left_out() -> None:
    one = described()
    told, larger = one.features["told"].copy(), one.quantities["larger"].copy()
    told[np.arange(160) % 8 == 3] = np.nan
    larger[np.arange(160) % 8 == 3] = np.nan
    found = by_name(replace(one, features={"told": told}, quantities={"larger": larger}))
    assert (found["told"].positives, found["told"].negatives) == (20, 40)
    assert (found["larger"].positives, found["larger"].negatives) == (20, 40)
    assert area(found["told"]) > 0.7


def test_what_a_cohort_does_not_record_is_said_to_be_missing() -> None:
    one = described()
    nothing = replace(
        one,
        features={"view": np.zeros((160, 0)), "age": np.full((160, 2), np.nan)},
        quantities={"quality": np.full(160, np.nan)},
    )
    for name, item in by_name(nothing).items():
        assert (item.auc, item.strength, item.positives, item.negatives) == (None, None, 0, 0)
        assert item.reason == f"{name} is not recorded in this cohort"


def test_what_only_training_patients_have_cannot_be_tested() -> None:
    one = described()
    age = np.where(one.training[:, None], one.features["told"], np.nan)
    found = by_name(replace(one, features={"age": age}, quantities={"size": age[:, 0]}))
    assert {item.reason for item in found.values()} == {
        "age is not known of any test radiograph",
        "size is not known of any test radiograph",
    }


@pytest.mark.parametrize("class_", [True, False])
def test_a_cohort_of_one_class_has_no_areas(class_: bool) -> None:
    one = replace(described(), abnormal=np.full(160, class_))
    for training in (one.training, np.zeros(160, dtype=np.bool_)):
        found = by_name(replace(one, training=training))
        assert all(item.auc is None and item.reason for item in found.values())


def test_no_radiograph_at_all() -> None:
    empty = Described(
        np.zeros(0, np.str_), np.zeros(0, np.bool_), np.zeros(0, np.bool_), {"a": np.zeros((0, 0))}, {"b": np.zeros(0)}
    )
    assert [item.reason for item in audit(empty, SETTINGS)] == [
        "a is not recorded in this cohort",
        "b is not recorded in this cohort",
    ]


def test_a_constant_has_an_area_of_one_half_without_an_interval() -> None:
    one = described()
    found = by_name(replace(one, features={"same": np.ones((160, 3))}, quantities={"equal": np.ones(160)}))
    for item in found.values():
        assert area(item) == 0.5
        assert item.auc is not None
        assert item.auc.interval is None
        assert item.reason == "all scores are equal"


def test_a_patients_radiographs_count_once() -> None:
    one = described()
    patients = (np.arange(160) // 4).astype(str)
    # Four radiographs a patient, in training or test together, all of the patient's class.
    abnormal, training = (np.arange(160) // 4) % 2 == 1, (np.arange(160) // 4) % 4 < 2
    own = replace(one, patients=patients, abnormal=abnormal, training=training)
    found = by_name(own)["larger"]
    assert (found.positives, found.negatives) == (10, 10)
    mixed = replace(own, abnormal=abnormal | (np.arange(160) % 4 == 0))
    assert (by_name(mixed)["larger"].positives, by_name(mixed)["larger"].negatives) == (20, 0)


def test_a_higher_confidence_widens_every_interval() -> None:
    narrow, wide = (by_name(described(), ShortcutSettings(confidence=level)) for level in (0.8, 0.99))
    for name, found in narrow.items():
        first, second = found.auc, wide[name].auc
        assert first is not None
        assert second is not None
        assert first.interval is not None
        assert second.interval is not None
        assert second.interval.low < first.interval.low < first.interval.high < second.interval.high


def test_crossfitting_needs_a_patient_of_each_class_in_every_part() -> None:
    few = replace(described(count=12), training=np.zeros(12, dtype=np.bool_))
    assert by_name(few, ShortcutSettings(crossfit_folds=6))["told"].auc is not None
    assert by_name(few, ShortcutSettings(crossfit_folds=7))["told"].reason.startswith("needs 7 abnormal and 7 normal")


def test_a_patient_s_radiographs_are_condensed_as_those_of_the_arms() -> None:
    # abnormal patients have six test radiographs, normal ones one; the quantity tells nothing
    rng = np.random.default_rng(0)
    counts = [6 if patient % 2 else 1 for patient in range(200)]
    patients = np.repeat(np.arange(200), counts)
    one = Described(
        patients.astype(str),
        patients % 2 == 1,
        np.zeros(len(patients), dtype=np.bool_),
        {},
        {"noise": rng.normal(size=len(patients)), "number": np.repeat(counts, counts).astype(float)},
    )
    mean, highest = by_name(one), by_name(replace(one, how="max"))
    assert abs(area(mean["noise"]) - 0.5) < 0.1
    assert area(highest["noise"]) > 0.8
    assert area(mean["number"]) == area(highest["number"]) == 1


def test_a_regression_is_as_free_as_the_settings_say() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(160) % 2 == 1
    weak = 0.4 * labels[:, None] + rng.normal(size=(160, 60))
    one = replace(described(), features={"weak": weak})
    bound, free = (area(by_name(one, ShortcutSettings(inverse_l2=value))["weak"]) for value in (1e-4, 1e4))
    # sixty columns, each with a little of it, are best summed; a free regression on eighty patients learns their noise
    assert bound > free + 0.05
