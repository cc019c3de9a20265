from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.study.settings import StudyFile, parse_study
from assets.translation.arms import every_arm, is_gan, parse_arm
from pipelines.study.plan import gan_methods, rounds

METHODS = ("cyclegan", "cut", "fastcut", "reggan", "reggan_nc", "pix2pix")
PROTOCOL = st.fixed_dictionaries(
    {
        "arms": st.lists(st.sampled_from(every_arm()), min_size=1, max_size=8, unique=True),
        "seeds": st.lists(st.integers(0, 9), min_size=1, max_size=3, unique=True),
    }
)
SECONDS = st.fixed_dictionaries(dict.fromkeys(METHODS, st.floats(0.1, 1e5)))


def study_of(protocols: list[dict[str, object]]) -> StudyFile:
    numbered = [{"name": f"p{index}", "folds": index + 2, **each} for index, each in enumerate(protocols)]
    return parse_study({"name": "tried", "cohort": "phantom", "protocols": numbered})


@settings(deadline=None)
@given(protocols=st.lists(PROTOCOL, min_size=1, max_size=3), seconds=SECONDS, at_once=st.integers(1, 5))
def test_every_training_comes_once_cheap_arms_first_then_seed_by_seed_the_quickest(
    protocols: list[dict[str, object]], seconds: dict[str, float], at_once: int
) -> None:
    study = study_of(protocols)
    found = rounds(study, seconds, at_once)
    for protocol in study.protocols:
        names = [name for each in found if each.protocol == protocol for name in each.trainings]
        gans = {f"{arm}/{seed}" for arm in protocol.arms for seed in protocol.seeds if is_gan(parse_arm(arm).method)}
        # What draws nothing is the same for every seed.
        others = {f"{arm}/{protocol.seeds[0]}" for arm in protocol.arms if not is_gan(parse_arm(arm).method)}
        assert sorted(names) == sorted(gans | others)
        assert all(list(each.cohorts) == study.fold_cohorts(protocol) for each in found if each.protocol == protocol)
    dear = [each for each in found if each.has_gan]
    assert found[len(found) - len(dear) :] == dear, "arms without a GAN come first"
    assert all(len(each.trainings) <= at_once for each in dear)
    order = [(each.protocol.seeds.index(int(each.trainings[0].rpartition("/")[2])), each.seconds) for each in dear]
    assert order == sorted(order)
    for each in dear:
        assert len({name.rpartition("/")[2] for name in each.trainings}) == 1, "one seed a round"
        assert each.seconds == max(seconds[parse_arm(name.rpartition("/")[0]).method] for name in each.trainings)


@settings(deadline=None)
@given(protocols=st.lists(PROTOCOL, min_size=1, max_size=3))
def test_every_gan_of_a_study_is_named_once(protocols: list[dict[str, object]]) -> None:
    study = study_of(protocols)
    arms = chain.from_iterable(protocol.arms for protocol in study.protocols)
    found = gan_methods(study)
    assert sorted(found) == sorted({arm.partition("/")[2] for arm in arms} & set(METHODS))


def test_a_plan_in_words() -> None:
    study = study_of(
        [
            {"arms": ["none/cut", "it_pr/cyclegan", "none/pca"], "seeds": [4, 7]},
            {"arms": ["it_pr/template", "none/template"]},
        ]
    )
    found = rounds(study, {"cut": 50.0, "cyclegan": 30.0}, 1)
    assert [(each.protocol.name, each.trainings, each.seconds) for each in found] == [
        ("p0", ("none/pca/4",), 0.0),
        ("p1", ("it_pr/template/0", "none/template/0"), 0.0),
        ("p0", ("it_pr/cyclegan/4",), 30.0),
        ("p0", ("none/cut/4",), 50.0),
        ("p0", ("it_pr/cyclegan/7",), 30.0),
        ("p0", ("none/cut/7",), 50.0),
    ]
    assert found[1].cohorts == ("tried-3-0", "tried-3-1", "tried-3-2")


@pytest.mark.parametrize(("at_once", "expected"), [(1, 4), (2, 2), (3, 2), (4, 1)])
def test_as_many_are_trained_side_by_side_as_the_machine_takes(at_once: int, expected: int) -> None:
    study = study_of([{"arms": ["none/cut", "it_pr/cut", "lung_box/cut", "it_dpr/cut"]}])
    assert len(rounds(study, {"cut": 1.0}, at_once)) == expected
