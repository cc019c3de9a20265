"""The policies on tables: splits apart, patients apart, and each option does what it says."""

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.pairing.policies import SPLITS, STRATA, choose_pairs, codes, levels_of, relaxations, strata
from assets.pairing.settings import PairingSettings


def cohort(seed: int, count: int) -> pa.Table:
    rng = np.random.default_rng(seed)

    def some(*values: Any) -> list[Any]:  # noqa: ANN401 (cells of a table)
        return [values[number] for number in rng.integers(0, len(values), count)]

    ages = pa.array(rng.integers(20, 80, count).astype(float), mask=rng.random(count) < 0.2)
    return pa.table(
        {
            "patient": some(*(f"p{number}" for number in range(max(2, count // 2)))),
            "split": some(*SPLITS),
            "domain": some("abnormal", "normal", "normal", "other"),
            "view": pa.array(some("PA", "AP", None), pa.string()),
            "sex": pa.array(some("F", "M", None), pa.string()),
            "age": ages,
        }
    )


def no_vectors(rows: np.ndarray) -> np.ndarray:
    raise AssertionError("only policy nearest looks at pixels")


def flat_vectors(rows: np.ndarray) -> np.ndarray:
    return rows[:, None].astype(np.float32)


@pytest.mark.parametrize("policy", ["random", "nearest", "matched", "fixed"])
@given(seed=st.integers(0, 30), count=st.integers(0, 60))
@settings(max_examples=25, deadline=None)
def test_laws_of_every_policy(policy: str, seed: int, count: int) -> None:
    rows = cohort(seed, count)
    chosen = PairingSettings.model_validate({"policy": policy, "seed": seed})
    pairs = choose_pairs(rows, chosen, flat_vectors if policy == "nearest" else no_vectors)
    cells = rows.to_pylist()
    assert len(np.unique(pairs, axis=0)) == len(pairs)
    for one, other in pairs:
        ill, well = cells[one], cells[other]
        assert (ill["domain"], well["domain"]) == ("abnormal", "normal")
        assert ill["split"] == well["split"]
        assert ill["patient"] != well["patient"]
    again = choose_pairs(rows, chosen, flat_vectors if policy == "nearest" else no_vectors)
    np.testing.assert_array_equal(pairs, again)


def test_partners_seed_and_most_uses_are_obeyed() -> None:
    rows = cohort(3, 200)
    asked = [choose_pairs(rows, PairingSettings(normals_per_abnormal=count), no_vectors) for count in (1, 3)]
    assert len(asked[1]) == 3 * len(asked[0])
    others = [choose_pairs(rows, PairingSettings(seed=seed, policy="fixed"), no_vectors) for seed in (0, 1)]
    assert others[0].tolist() != others[1].tolist()
    near = PairingSettings(policy="nearest", normals_per_abnormal=1)
    same = [
        choose_pairs(rows, chosen, lambda rows: np.zeros((len(rows), 1), np.float32))
        for chosen in (near, near.model_copy(update={"most_uses": 1}))
    ]
    most = [max(Counter(pairs[:, 1].tolist()).values()) for pairs in same]
    assert most[0] > most[1] == 1


def test_nearest_partners_are_near() -> None:
    rows = cohort(4, 300)
    place = np.random.default_rng(0).random(300)
    pairs = choose_pairs(
        rows, PairingSettings(policy="nearest", normals_per_abnormal=1), lambda of: place[of, None].astype(np.float32)
    )
    chance = choose_pairs(rows, PairingSettings(normals_per_abnormal=1), no_vectors)
    near, far = (np.abs(place[found[:, 0]] - place[found[:, 1]]).mean() for found in (pairs, chance))
    assert near < 0.1 * far


def test_matched_partners_share_what_can_be_shared_and_what_cannot_is_said() -> None:
    rows = cohort(5, 600)
    chosen = PairingSettings(policy="matched", age_band=20)
    pairs = choose_pairs(rows, chosen, no_vectors)
    known = strata(rows, chosen.age_band)
    differs = relaxations(known, pairs)
    assert differs.shape == (len(pairs), len(STRATA))
    cells = rows.to_pylist()
    for (one, other), odd in zip(pairs, differs, strict=True):
        ill, well = cells[one], cells[other]
        bands = [None if age is None else age // 20 for age in (ill["age"], well["age"])]
        assert odd.tolist() == [ill["view"] != well["view"], ill["sex"] != well["sex"], bands[0] != bands[1]]
    # With three views, three sexes and four bands of age nearly every stratum has two normals.
    assert differs.any(axis=1).mean() < 0.15
    chance = relaxations(known, choose_pairs(rows, PairingSettings(), no_vectors))
    assert chance.any(axis=1).mean() > 0.8


def test_age_gives_way_first_then_sex_then_view() -> None:
    def rows(normals: list[tuple[str, str, float]]) -> pa.Table:
        cells = [("PA", "F", 41.0), *normals]
        return pa.table(
            {
                "patient": [f"p{number}" for number in range(len(cells))],
                "split": ["train"] * len(cells),
                "domain": ["abnormal"] + ["normal"] * len(normals),
                **{name: [cell[place] for cell in cells] for place, name in enumerate(STRATA)},
            }
        )

    other_view, other_sex, other_age, same = ("AP", "F", 41.0), ("PA", "M", 41.0), ("PA", "F", 65.0), ("PA", "F", 48.0)
    chosen = PairingSettings(policy="matched", normals_per_abnormal=1)
    order = [other_view, other_sex, other_age, same]
    for count in (1, 2, 3, 4):
        table = rows(order[:count])
        assert choose_pairs(table, chosen, no_vectors).tolist() == [[0, count]]
    wider = PairingSettings(policy="matched", normals_per_abnormal=1, age_band=70)
    drawn = {
        tuple(choose_pairs(rows([other_age, same]), wider.model_copy(update={"seed": seed}), no_vectors)[0])
        for seed in range(9)
    }
    assert drawn == {(0, 1), (0, 2)}


def test_what_is_unknown_is_a_value_of_its_own() -> None:
    numbers = codes(pa.chunked_array([["x", None], [None, "y", "x"]]))
    assert numbers[1] == numbers[2]
    assert len({numbers[0], numbers[1], numbers[3]}) == 3
    assert numbers[0] == numbers[4]


def test_levels_go_from_the_narrowest_to_everybody() -> None:
    known = {"view": np.array([0, 0, 0, 1]), "sex": np.array([0, 0, 1, 0]), "age": np.array([0, 1, 0, 0])}
    sizes = [len(np.unique(level)) for level in levels_of(known)]
    assert sizes == [4, 3, 2, 1]


def test_a_splits_pairs_do_not_depend_on_another_split() -> None:
    rows = cohort(6, 200)
    train = choose_pairs(rows, PairingSettings(), no_vectors)
    split = np.asarray(rows["split"].to_numpy(zero_copy_only=False))
    alone = np.flatnonzero(split == "train")
    found = choose_pairs(rows.take(alone), PairingSettings(), no_vectors)
    np.testing.assert_array_equal(alone[found], train[split[train[:, 0]] == "train"])


def test_settings_refuse_what_they_do_not_know() -> None:
    with pytest.raises(ValueError, match="policy"):
        PairingSettings.model_validate({"policy": "best"})
    with pytest.raises(ValueError, match="most_uses"):
        PairingSettings(most_uses=0)
