import json
import sys

import numpy as np
import pytest

from assets.peers.settings import PeerSettings
from assets.registration.settings import RegistrationSettings
from assets.registration_report.settings import ArmName
from tests.benchmarks.registration_damage import COMPARED, DAMAGES, losses
from tests.benchmarks.registration_data import Cohort, cohort
from tests.benchmarks.registration_measures import Figures, evaluate, peak_mib
from tests.benchmarks.registration_models import Bundle, Plan, fitted, methods_of
from tests.benchmarks.registration_tables import KEYS, as_json, print_arms, print_losses, times_faster

QUICK: tuple[ArmName, ...] = ("none", "lung_box", "voxelmorph", "synthmorph", "it_pr", "it_dpr")
TINY = {"encoder_features": [4, 8], "decoder_features": [8, 4], "steps": 2, "batch_size": 2}


@pytest.fixture(scope="module")
def data() -> Cohort:
    return cohort(train=4, test=2, seed=1, size=64)


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    folder = tmp_path_factory.mktemp("networks")
    return Plan(
        RegistrationSettings.model_validate({**TINY, "damaged_copies": 1}), PeerSettings.model_validate(TINY), folder
    )


@pytest.fixture(scope="module")
def bundle(data: Cohort, plan: Plan) -> Bundle:
    return fitted(data, "tiny", plan)


@pytest.fixture(scope="module")
def figures(data: Cohort, bundle: Bundle) -> dict[ArmName, Figures]:
    return evaluate(bundle, data.test, QUICK, memory=False)


def test_nobody_who_is_tested_was_trained_on_and_the_reference_is_a_normal_training_subject(data: Cohort) -> None:
    assert [subject.index for subject in data.test] == [4, 5]
    assert (data.reference % 2, data.reference < len(data.train)) == (0, True)
    assert [subject.truth.lesion is not None for subject in data.test] == [False, True]


def test_networks_that_lie_in_the_folder_are_not_fitted_again(
    data: Cohort, plan: Plan, bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    again = fitted(data, "tiny", plan)
    assert "fitted in" not in capsys.readouterr().err
    for network in ("it_dpr", "voxelmorph", "synthmorph"):
        kept, first = getattr(again, network), getattr(bundle, network)
        assert kept.keys() == first.keys()
        assert all(np.array_equal(kept[name], first[name]) for name in kept)


def test_the_json_has_the_keys_that_its_readers_expect(figures: dict[ArmName, Figures]) -> None:
    found = json.loads(json.dumps(as_json(figures)))
    assert list(found) == list(QUICK)
    assert all(tuple(line) == KEYS for line in found.values())
    assert found["none"]["lesion_contrast_ratio"] == pytest.approx(1, abs=1e-3)
    assert found["none"]["landmark_px_mean"] > found["it_pr"]["landmark_px_mean"]
    assert all(line["folded_share"] == 0 for line in found.values() if line is not found["it_pr"])
    assert all(line["ms"] > 0 for line in found.values())


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells a process its peak memory")
def test_memory_is_measured_in_a_process_of_its_own(data: Cohort, bundle: Bundle) -> None:
    peak = peak_mib(bundle, "it_dpr", data.test[0].case)
    assert peak is not None
    # less than torch alone takes when it is imported
    assert 0 < peak < 100


def test_tables_name_every_arm_and_damage(
    data: Cohort, bundle: Bundle, figures: dict[ArmName, Figures], capsys: pytest.CaptureFixture[str]
) -> None:
    found = losses(methods_of(bundle), data.test, seed=0)
    print_arms(figures, len(data.test))
    print_losses(found)
    printed = capsys.readouterr().out
    assert all(f"\n{arm} " in printed for arm in QUICK)
    assert all(printed.count(f"\n{damage} ") == len(COMPARED) for damage in DAMAGES)
    assert found["base missing, 22 %"]["it_pr"].lost > 0


def test_speed_is_how_many_times_as_long_the_slow_arm_takes() -> None:
    fast, slow = (Figures({"ms": ms}, None) for ms in (4.0, 300.0))
    assert times_faster(fast, slow) == 75
