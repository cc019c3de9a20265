import dataclasses

import pytest
from pydantic import ValidationError

from assets.translation.arms import Arm, parse_arm
from assets.translation.presets import TranslationPlan, image_size, resolved
from assets.translation.runs import arm_digest, planned_runs
from assets.translation.settings import TranslationSettings

CYCLEGAN, CUT, PCA = Arm("it_pr", "cyclegan"), Arm("it_pr", "cut"), Arm("it_pr", "pca")


def test_default_preset_is_the_one_for_a_laptop() -> None:
    plan = resolved(TranslationSettings(), "cut")
    assert TranslationSettings().preset == "tiny"
    assert plan.size == 64


def test_paper_preset_has_the_published_numbers() -> None:
    plan = resolved(TranslationSettings(preset="paper"), "cut")
    assert (plan.size, plan.batch, plan.generator_width, plan.generator_blocks) == (256, 1, 64, 9)
    assert (plan.discriminator_width, plan.discriminator_layers) == (64, 3)
    assert (plan.learning_rate, plan.beta1, plan.beta2) == (2e-4, 0.5, 0.999)
    assert (plan.cycle_weight, plan.identity_weight, plan.pool_size) == (10.0, 0.5, 50)
    assert (plan.nce_temperature, plan.nce_patches, plan.nce_width) == (0.07, 256, 256)
    assert not plan.residual


@pytest.mark.parametrize(
    "override",
    [
        {"size": 96},
        {"steps": 7},
        {"batch": 3},
        {"generator_width": 5},
        {"generator_blocks": 2},
        {"discriminator_width": 6},
        {"discriminator_layers": 1},
        {"nce_patches": 9},
        {"nce_width": 11},
        {"residual": True},
    ],
)
def test_explicit_field_replaces_the_preset(override: dict[str, int]) -> None:
    plan = resolved(TranslationSettings.model_validate(override), "cut")
    assert dataclasses.asdict(plan) == dataclasses.asdict(resolved(TranslationSettings(), "cut")) | override


def test_presets_differ_in_size() -> None:
    assert image_size(TranslationSettings(preset="small")) == 128


def test_every_plan_field_is_a_setting() -> None:
    assert set(TranslationPlan.__dataclass_fields__) < set(TranslationSettings.model_fields)


def test_settings_are_frozen_and_refuse_unknown_names() -> None:
    with pytest.raises(ValidationError):
        TranslationSettings.model_validate({"stepz": 3})
    with pytest.raises(ValidationError):
        TranslationSettings.model_validate({"size": 66})


def test_discriminator_deeper_than_the_image_is_refused() -> None:
    with pytest.raises(ValueError, match="discriminator_layers=4"):
        resolved(TranslationSettings(size=32, discriminator_layers=4), "cut")


def test_default_arms_parse_and_keep_their_name() -> None:
    for text in TranslationSettings().arms:
        assert parse_arm(text).name == text


@pytest.mark.parametrize("text", ["it_dpr", "it_dpr/gan", "affine/cut", "it_dpr/cut/2", "", "/", "IT_DPR/cut"])
def test_malformed_arm_is_refused_with_the_choices(text: str) -> None:
    with pytest.raises(ValueError, match=r"alignment/method.*it_dpr.*cyclegan"):
        parse_arm(text)


def test_runs_take_pca_once_and_gans_for_every_seed() -> None:
    settings = TranslationSettings(arms=["it_pr/cut", "it_pr/pca", "it_pr/cut"], seeds=[3, 4])
    assert planned_runs(settings) == [(CUT, 3), (CUT, 4), (PCA, 3)]


def test_digest_is_sha256_and_depends_on_alignment_and_seed() -> None:
    settings = TranslationSettings()
    digests = {arm_digest(CUT, 0, settings), arm_digest(CUT, 1, settings), arm_digest(Arm("none", "cut"), 0, settings)}
    assert len(digests) == 3
    assert all(len(digest) == 64 for digest in digests)


def test_pca_digest_ignores_the_seed() -> None:
    assert arm_digest(PCA, 0, TranslationSettings()) == arm_digest(PCA, 1, TranslationSettings())


@pytest.mark.parametrize(
    ("change", "affected"),
    [
        ({"cycle_weight": 5.0}, {"cyclegan"}),
        ({"identity_weight": 0.1}, {"cyclegan"}),
        ({"pool_size": 0}, {"cyclegan"}),
        ({"adversarial_weight": 2.0}, {"cut"}),
        ({"nce_weight": 2.0}, {"cut"}),
        ({"nce_temperature": 0.1}, {"cut"}),
        ({"nce_patches": 64}, {"cut"}),
        ({"nce_width": 32}, {"cut"}),
        ({"identity_nce": False}, {"cut"}),
        ({"pca_components": 8}, {"pca"}),
        ({"steps": 10}, {"cyclegan", "cut"}),
        ({"batch": 1}, {"cyclegan", "cut"}),
        ({"residual": True}, {"cyclegan", "cut"}),
        ({"learning_rate": 1e-3}, {"cyclegan", "cut"}),
        ({"beta1": 0.9}, {"cyclegan", "cut"}),
        ({"beta2": 0.99}, {"cyclegan", "cut"}),
        ({"decay_share": 0.0}, {"cyclegan", "cut"}),
        ({"augment_shift": 0.0}, {"cyclegan", "cut"}),
        ({"augment_gain": 0.0}, {"cyclegan", "cut"}),
        ({"generator_width": 8}, {"cyclegan", "cut"}),
        ({"generator_blocks": 3}, {"cyclegan", "cut"}),
        ({"discriminator_width": 8}, {"cyclegan", "cut"}),
        ({"discriminator_layers": 1}, {"cyclegan", "cut"}),
        ({"size": 128}, {"cyclegan", "cut", "pca"}),
        ({"arms": ["it_pr/cut"]}, set()),
        ({"seeds": [0, 1]}, set()),
    ],
)
def test_digest_changes_only_with_settings_of_the_method(change: dict[str, object], affected: set[str]) -> None:
    before, after = TranslationSettings(), TranslationSettings.model_validate(change)
    changed = {arm.method for arm in (CYCLEGAN, CUT, PCA) if arm_digest(arm, 0, before) != arm_digest(arm, 0, after)}
    assert changed == affected


def test_preset_counts_by_its_numbers_not_by_its_name() -> None:
    tiny = resolved(TranslationSettings(preset="tiny"), "cut")
    spelled_out = TranslationSettings(preset="paper", **dataclasses.asdict(tiny))
    assert arm_digest(CUT, 0, spelled_out) == arm_digest(CUT, 0, TranslationSettings(preset="tiny"))
