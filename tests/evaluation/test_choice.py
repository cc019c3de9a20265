import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from assets.evaluation.arms import evaluated, evaluation_rows
from assets.evaluation.choice import FEWEST, Decisions, chosen_score, decide, decided, threshold_at
from assets.evaluation.scored import scored_arms
from assets.evaluation.settings import EvaluationSettings
from assets.scoring.score import SCORE_NAMES
from tests.evaluation.scored import arm, row, table

SECOND, THIRD = SCORE_NAMES[1:3]


def validation(strength: dict[str, float], seed: int = 0, each: int = 20, **other: object) -> list[dict[str, object]]:
    """Validation patients whose scores separate them as strongly as asked, other scores not at all."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(2 * each):
        domain = "abnormal" if number < each else "normal"
        scores = {name: rng.normal() + strength.get(name, 0.0) * (number < each) for name in SCORE_NAMES}
        rows.append(row(number, domain, 0.0, split="validation", **scores, **other))
    return rows


def test_validation_chooses_the_score_that_separates_it_best() -> None:
    assert chosen_score([arm(validation({THIRD: 4.0}), "validation")]) == THIRD


def test_one_score_speaks_for_an_arm_in_every_seed() -> None:
    # the second is best with this seed, the third with that one and by more
    rows = [
        *[{**each, "seed": 0} for each in validation({SECOND: 1.0, THIRD: 0.9})],
        *[{**each, "seed": 1} for each in validation({SECOND: 0.5, THIRD: 3.0}, seed=1)],
    ]
    arms = scored_arms(table(rows), "validation", "max")
    assert len(arms) == 2
    areas = {name: np.mean([roc_auc_score(a.groups.labels, a.scores(name)) for a in arms]) for name in SCORE_NAMES}
    assert decide(arms, EvaluationSettings()).score(arms[0].arm) == max(areas, key=lambda name: areas[name]) == THIRD


def test_what_speaks_for_an_arm_does_not_hang_on_the_other_arms() -> None:
    mine, settings = validation({SECOND: 2.0, THIRD: 1.0}, alignment="none"), EvaluationSettings()
    others = [
        *validation({THIRD: 4.0}, seed=1, alignment="it_pr"),
        *validation({THIRD: 4.0}, seed=2, alignment="none", method="cut"),
    ]
    alone, among = (decide(scored_arms(table(rows), "validation", "max"), settings) for rows in (mine, mine + others))
    assert alone.score("none/pca") == among.score("none/pca") == SECOND
    assert among.score("it_pr/pca") == among.score("none/cut") == THIRD


def test_of_equal_scores_the_first_is_chosen() -> None:
    rows = [{**item, THIRD: item[SECOND]} for item in validation({SECOND: 4.0})]
    assert chosen_score([arm(rows, "validation")]) == SECOND


@pytest.mark.parametrize("each", [FEWEST - 1, FEWEST])
def test_few_validation_patients_choose_nothing(each: int) -> None:
    rows = validation({THIRD: 50.0}, each=each)
    assert chosen_score([arm(rows, "validation")]) == (THIRD if each >= FEWEST else "score_mean")


def test_a_score_that_one_seed_lacks_is_not_chosen() -> None:
    broken = [{**item, THIRD: None, "seed": 1} for item in validation({THIRD: 4.0})]
    arms = scored_arms(table([*broken, *validation({THIRD: 4.0, SECOND: 2.0})]), "validation", "max")
    assert chosen_score(arms) == SECOND


def test_a_score_that_an_arm_lacks_is_no_candidate_there_and_one_elsewhere() -> None:
    lacking = [{**item, THIRD: None} for item in validation({THIRD: 4.0, SECOND: 2.0})]
    rows = [*lacking, *validation({THIRD: 4.0, SECOND: 2.0}, method="cyclegan")]
    found = decide(scored_arms(table(rows), "validation", "max"), EvaluationSettings())
    assert (found.score("it_dpr/pca"), found.score("it_dpr/cyclegan")) == (SECOND, THIRD)
    assert found.threshold("it_dpr/pca", 0, THIRD) is None


def test_no_score_at_all_leaves_the_usual_one() -> None:
    broken = [{**item, **dict.fromkeys(SCORE_NAMES)} for item in validation({})]
    assert chosen_score([arm(broken, "validation")]) == "score_mean"


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=30), st.sampled_from([0.5, 0.8, 0.9, 0.95]))
@settings(max_examples=100, deadline=None)
def test_the_threshold_is_the_smallest_that_enough_normals_do_not_exceed(normals: list[int], share: float) -> None:
    found = threshold_at(share, np.array(normals, dtype=np.float64))
    below = [value for value in sorted(set(normals)) if np.mean(np.array(normals) <= value) >= share - 1e-12]
    assert found == below[0]


def test_without_finite_normals_there_is_no_threshold() -> None:
    assert threshold_at(0.9, []) is None
    assert threshold_at(0.9, [1.0, float("nan")]) is None


def test_test_patients_have_no_say() -> None:
    base = validation({THIRD: 4.0})
    patients = [{**item, "split": "test", "radiograph_id": f"t{item['radiograph_id']}"} for item in base]
    worse = [{**item, THIRD: -1e6 * (item["domain"] == "abnormal")} for item in patients]
    first, second = (evaluated(table([*base, *tested]), EvaluationSettings()).decisions for tested in (patients, worse))
    assert first == second


def test_decisions_survive_the_table() -> None:
    found = evaluated(table([*validation({THIRD: 4.0}), row(99, "normal", 0.1)]), EvaluationSettings())
    again = decided(evaluation_rows(found))
    assert again.score("it_dpr/pca") == found.decisions.score("it_dpr/pca") == THIRD
    assert again.threshold("it_dpr/pca", 0, THIRD) == found.decisions.threshold("it_dpr/pca", 0, THIRD)
    assert again.threshold("it_dpr/pca", 7, THIRD) is None
    assert Decisions({}, {}).score("none/cut") == "score_mean"
