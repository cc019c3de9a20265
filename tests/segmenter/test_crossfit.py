from collections import Counter

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from assets.radiographs.split import assign_split
from assets.segmenter.crossfit import (
    Segmenters,
    in_common,
    joined,
    mean_history,
    part_of,
    parted,
    segmenters,
    taught_to,
)
from assets.segmenter.network import build_network
from assets.segmenter.settings import SegmenterSettings
from assets.segmenter.shape_model import ShapeModel
from assets.segmenter.trained import TrainedSegmenter, to_arrays

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]
SETTINGS = SegmenterSettings(working_size=32, channels=[4, 8], residual_units=0, cross_fit=2)
PATIENTS = [f"{number:024x}" for number in range(2000)]


@given(patients=st.lists(st.text(), min_size=1, max_size=30), parts=st.integers(2, 10))
@settings(max_examples=50, deadline=None)
def test_nobody_teaches_the_network_of_their_part_and_everybody_all_others(patients: list[str], parts: int) -> None:
    taught = [set(taught_to(part, parts, patients)) for part in range(parts)]
    for at, patient in enumerate(patients):
        assert [at in members for members in taught] == [part != part_of(patient, parts) for part in range(parts)]


def test_a_single_network_is_taught_on_everybody() -> None:
    assert taught_to(0, 1, PATIENTS[:5]) == [0, 1, 2, 3, 4]


def test_parts_are_of_equal_size_and_independent_of_the_split() -> None:
    counts = Counter((part_of(patient, 2), assign_split(patient, 0.5, 0, 0)) for patient in PATIENTS)
    for split in ("train", "test"):
        both = counts[0, split] + counts[1, split]
        assert binomtest(counts[0, split], both, 0.5).pvalue > 1e-4


def test_networks_come_back_from_their_arrays_each_for_its_part(rng: np.random.Generator) -> None:

    shapes = ShapeModel.from_arrays(
        {"mean": rng.random((4, 6)), "directions": rng.random((2, 6)), "deviations": np.ones(2)}
    )
    states = [dict(build_network(SETTINGS, torch.Generator().manual_seed(seed)).state_dict()) for seed in (0, 1)]
    stored = [to_arrays(state, shapes, None) for state in states]
    found = segmenters({**joined(stored), "history": np.zeros((1, 1))}, SETTINGS)
    assert len(found.parts) == 2
    for patient in PATIENTS[:20]:
        weights = found.of(patient).network.state_dict()
        for name, value in states[part_of(patient, 2)].items():
            assert torch.equal(weights[name], value)


class _Says(TrainedSegmenter):
    """A network that answers with a number of its own."""

    value: float

    def __init__(self, value: float, *, scored: bool = True) -> None:
        object.__setattr__(self, "value", value)
        object.__setattr__(self, "score", object() if scored else None)

    def probabilities(self, image: F32) -> F32:
        return np.full((2, 2, *image.shape), self.value, np.float32)

    def quality(self, lungs: U8, probabilities: F32) -> tuple[float, float]:
        return self.value, float(probabilities.mean())


def test_networks_of_other_patients_answer_together() -> None:
    both = Segmenters((_Says(0.2), _Says(0.6))).together
    drawn = both.probabilities(np.zeros((4, 4), np.float32))
    np.testing.assert_allclose(drawn, 0.4, rtol=1e-6)
    assert both.quality(np.zeros((4, 4), np.uint8), drawn) == pytest.approx((0.4, 0.4))
    assert both.score is not None
    assert Segmenters((_Says(0.2), _Says(0.6, scored=False))).together.score is None
    only = _Says(0.2)
    assert Segmenters((only,)).together is only


def test_a_single_network_is_stored_as_it_was_before_there_were_parts() -> None:
    arrays = {"network.a": np.ones(2), "history": np.zeros((1, 1))}
    assert joined([arrays]).keys() == arrays.keys()
    assert parted(arrays)[0].keys() == arrays.keys()


def test_everybody_has_the_only_network() -> None:
    only = object.__new__(TrainedSegmenter)
    assert all(Segmenters((only,)).of(patient) is only for patient in PATIENTS[:5])


def test_what_trainings_say_together() -> None:
    first = {"final_loss": 1.0, "calibrated_on": 8, "gate": 0.8, "untaught": "", "history_columns": ["loss"]}
    second = {"final_loss": 3.0, "calibrated_on": 8, "gate": None, "untaught": "too few", "history_columns": ["loss"]}
    assert in_common([first, second]) == {
        "final_loss": 2.0,
        "calibrated_on": 8,
        "gate": 0.8,
        "untaught": "too few",
        "history_columns": ["loss"],
    }
    assert in_common([second]) == second


def test_curves_are_averaged() -> None:
    curves = [np.full((3, 2), value, np.float32) for value in (1, 2)]
    np.testing.assert_array_equal(mean_history(curves), np.full((3, 2), 1.5, np.float32))
    assert mean_history(curves).dtype == np.float32
    with pytest.raises(ValueError, match="same shape"):
        mean_history([curves[0], curves[0][:2]])
