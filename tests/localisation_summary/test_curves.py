import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from assets.localisation_summary.curves import RATES, Detections, average_precision, froc
from assets.localisation_summary.matching import Found

F64 = npt.NDArray[np.float64]
ALL = np.ones((1, 1))


def of_one_patient(scores: list[float], outcomes: list[int], boxes: int, images: int = 1) -> Detections:
    return Detections(
        np.array(scores, np.float64),
        np.array(outcomes, np.int8),
        np.zeros(len(scores), np.intp),
        np.array([boxes], np.float64),
        np.array([images], np.float64),
    )


def drawn(seed: int, patients: int = 6) -> Detections:
    rng = np.random.default_rng(seed)
    boxes = rng.integers(0, 3, patients)
    # As many finds of a patient as there are boxes, at most.
    rows = [(patient, Found.BOX) for patient in range(patients) for _ in range(rng.integers(0, boxes[patient] + 1))]
    rows += [(patient, Found(kind)) for patient in range(patients) for kind in rng.integers(0, 2, 3) * 2]
    return Detections(
        rng.integers(0, 12, len(rows)) / 4,
        np.array([kind for _, kind in rows], np.int8),
        np.array([patient for patient, _ in rows], np.intp),
        boxes.astype(np.float64),
        rng.integers(1, 3, patients).astype(np.float64),
    )


def repeated(found: Detections, counts: F64) -> Detections:
    """The same patients, each as often as it is drawn, as one sample of its own."""
    times = counts.astype(int)
    keep = np.repeat(np.arange(len(found.scores)), times[found.patients])
    return Detections(
        found.scores[keep],
        found.outcomes[keep],
        np.zeros(len(keep), np.intp),
        np.array([found.boxes @ counts]),
        np.array([found.images @ counts]),
    )


def by_the_book(found: Detections) -> tuple[float, list[float]]:
    """Average precision and free-response curve of one sample, threshold by threshold."""
    boxes, images = found.boxes.sum(), found.images.sum()
    points = []
    for threshold in sorted(set(found.scores.tolist()), reverse=True):
        kept = found.outcomes[found.scores >= threshold]
        points.append((int((kept == Found.BOX).sum()), int((kept == Found.AGAIN).sum()), int((kept == 0).sum())))
    area, before = 0.0, 0
    for position, (hits, _, _) in enumerate(points):
        best = max(h / (h + again + false) for h, again, false in points[position:])
        area += (hits - before) / boxes * best
        before = hits
    shares = [max([hits / boxes for hits, _, false in points if false / images <= rate], default=0.0) for rate in RATES]
    return area, shares


def test_golden_average_precision() -> None:
    # Two boxes: found first, then a false detection, then found again, then the second box.
    found = of_one_patient([4, 3, 2, 1], [Found.BOX, Found.NOTHING, Found.AGAIN, Found.BOX], 2)
    assert average_precision(found, ALL)[0] == pytest.approx(0.5 * 1 + 0.5 * 2 / 4)


def test_a_perfect_and_a_useless_detector() -> None:
    perfect = of_one_patient([3, 2], [Found.BOX, Found.BOX], 2)
    assert average_precision(perfect, ALL)[0] == 1.0
    assert froc(perfect, ALL)[0].tolist() == [1.0] * len(RATES)
    useless = of_one_patient([3, 2], [Found.NOTHING, Found.NOTHING], 2)
    assert average_precision(useless, ALL)[0] == 0.0
    assert froc(useless, ALL)[0].tolist() == [0.0] * len(RATES)


def test_without_detections_nothing_is_found_and_without_boxes_nothing_is_defined() -> None:
    silent = of_one_patient([], [], 2)
    assert average_precision(silent, ALL)[0] == 0.0
    assert froc(silent, ALL)[0].tolist() == [0.0] * len(RATES)
    normal = of_one_patient([1.0], [Found.NOTHING], 0)
    assert np.isnan(average_precision(normal, ALL)[0])
    assert np.isnan(froc(normal, ALL)).all()


def test_golden_free_response_curve() -> None:
    # Four radiographs: one false detection in all of them is a quarter a radiograph.
    outcomes = [Found.BOX, Found.NOTHING, Found.AGAIN, Found.BOX, Found.NOTHING, Found.BOX]
    found = of_one_patient([6, 5, 4, 3, 2, 1], list(outcomes), 4, 4)
    assert froc(found, ALL)[0].tolist() == [0.5, 0.75, 0.75, 0.75, 0.75, 0.75]


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1))
def test_both_agree_with_the_book_on_every_resample(seed: int) -> None:
    found = drawn(seed)
    weights = np.random.default_rng(seed).multinomial(6, np.full(6, 1 / 6), size=4).astype(np.float64)
    areas, shares = average_precision(found, weights), froc(found, weights)
    for counts, area, row in zip(weights, areas, shares, strict=True):
        sample = repeated(found, counts)
        if not sample.boxes.sum():
            assert np.isnan(area)
            assert np.isnan(row).all()
            continue
        expected = by_the_book(sample)
        assert area == pytest.approx(expected[0])
        assert row.tolist() == pytest.approx(expected[1])


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_average_precision_is_at_least_that_without_interpolation(seed: int) -> None:
    found = drawn(seed)
    hits = (found.outcomes == Found.BOX).astype(int)
    if hits.any():
        plain = average_precision_score(hits, found.scores) * hits.sum() / found.boxes.sum()
        assert average_precision(found, np.ones((1, 6)))[0] >= plain - 1e-12


def test_many_resamples_are_the_same_in_parts() -> None:
    found = drawn(3)
    weights = np.random.default_rng(0).multinomial(6, np.full(6, 1 / 6), size=250).astype(np.float64)
    rows = [average_precision(found, weights[row : row + 1])[0] for row in range(len(weights))]
    np.testing.assert_array_equal(average_precision(found, weights), rows)
