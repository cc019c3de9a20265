import dataclasses
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from assets.alignments import PEERS, USUAL, Alignment, PeerAlignment
from assets.translation.arms import Arm, Gan, Method, every_arm, parse_arm, unmade_frames
from assets.translation.presets import TranslationPlan, image_size, resolved
from assets.translation.runs import arm_digest, planned_runs
from assets.translation.settings import TranslationSettings

CUT, PCA = Arm("it_pr", "cut"), Arm("it_pr", "pca")


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


def test_every_arm_is_every_frame_with_every_method_once() -> None:
    arms = [parse_arm(text) for text in every_arm(PEERS)]
    assert len(arms) == len(set(arms)) == len(get_args(Alignment)) * len(get_args(Method))


@given(st.sets(st.sampled_from(PEERS)))
def test_every_arm_has_the_usual_frames_and_those_of_the_peers_that_are_named(peers: set[PeerAlignment]) -> None:
    frames = dict.fromkeys(parse_arm(text).alignment for text in every_arm(peers))
    assert list(frames) == [*USUAL, *(peer for peer in PEERS if peer in peers)]


@given(st.lists(st.sampled_from(every_arm(PEERS)), min_size=1), st.sets(st.sampled_from(PEERS)))
def test_an_arm_needs_its_frame_made(arms: list[str], peers: set[PeerAlignment]) -> None:
    needed = {parse_arm(arm).alignment for arm in arms} & set(PEERS)
    why = unmade_frames(arms, sorted(peers))
    assert bool(why) == bool(needed - peers)
    if why:
        advised = why.partition("[")[2].partition("]")[0].split(", ")
        assert unmade_frames(arms, advised) == ""
        assert set(advised) == needed | peers
        assert "peer_registered.peers" in why
        assert "\n" not in why


@pytest.mark.parametrize("text", ["it_dpr", "it_dpr/gan", "demons/cut", "it_dpr/cut/2", "", "/", "IT_DPR/cut"])
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


GANS = set(get_args(Gan))
RESNETS = GANS - {"pix2pix"}
CONTRASTIVE = {"cut", "fastcut"}


def _changed(change: dict[str, object], base: dict[str, object] | None = None) -> set[str]:
    before, after = (TranslationSettings.model_validate(given) for given in (base or {}, {**(base or {}), **change}))
    arms = [Arm("it_pr", method) for method in get_args(Method)]
    return {arm.method for arm in arms if arm_digest(arm, 0, before) != arm_digest(arm, 0, after)}


@pytest.mark.parametrize(
    ("change", "affected"),
    [
        ({"cycle_weight": 5.0}, {"cyclegan", "reggan"}),
        ({"identity_weight": 0.1}, {"cyclegan"}),
        ({"pool_size": 0}, {"cyclegan", "reggan"}),
        ({"adversarial_weight": 2.0}, CONTRASTIVE),
        ({"nce_weight": 2.0}, CONTRASTIVE),
        ({"nce_temperature": 0.1}, CONTRASTIVE),
        ({"nce_patches": 64}, CONTRASTIVE),
        ({"nce_width": 32}, CONTRASTIVE),
        ({"identity_nce": False}, {"cut"}),
        ({"identity_nce": True}, {"fastcut"}),
        ({"flip_equivariance": True}, CONTRASTIVE),
        ({"correction_weight": 5.0}, {"reggan", "reggan_nc"}),
        ({"smooth_weight": 5.0}, {"reggan", "reggan_nc"}),
        ({"registration_width": 8}, {"reggan", "reggan_nc"}),
        ({"pixel_weight": 10.0}, {"pix2pix"}),
        ({"dropout": 0.1}, {"pix2pix"}),
        ({"pca_components": 8}, {"pca"}),
        ({"generator": "resnet"}, {"pix2pix"}),
        ({"generator_blocks": 3}, RESNETS),
        ({"resampling": "transposed"}, RESNETS),
        ({"steps": 10}, GANS),
        ({"batch": 1}, GANS),
        ({"residual": True}, GANS),
        ({"learning_rate": 1e-3}, GANS),
        ({"learning_rate": 1e-4}, GANS - {"reggan", "reggan_nc"}),
        ({"beta1": 0.9}, GANS),
        ({"beta2": 0.99}, GANS),
        ({"decay_share": 0.1}, GANS),
        ({"augment_shift": 0.0}, GANS),
        ({"augment_gain": 0.0}, GANS),
        ({"generator_width": 8}, GANS),
        ({"discriminator_width": 8}, GANS),
        ({"discriminator_layers": 1}, GANS),
        ({"ema_decay": 0.99}, GANS),
        ({"gradient_clip": 1.0}, GANS),
        ({"minutes": 5.0}, GANS),
        ({"patience": 3}, GANS),
        ({"lung_swap": True}, GANS),
        ({"size": 128}, GANS | {"pca", "template"}),
        ({"check_every": 10}, set()),
        ({"checked_images": 8}, set()),
        ({"checkpoint_minutes": 9.0}, set()),
        ({"arms": ["it_pr/cut"]}, set()),
        ({"seeds": [0, 1]}, set()),
    ],
)
def test_digest_changes_only_with_settings_of_the_method(change: dict[str, object], affected: set[str]) -> None:
    assert _changed(change) == affected


def _other(value: float | bool) -> float | bool:
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int) else value / 2 or 0.25


def test_every_setting_of_a_plan_moves_some_digest() -> None:
    # Else a training would be taken for another one. How often it is measured changes no weight.
    base: dict[str, object] = {"arms": ["it_pr/pca"]}
    plan = dataclasses.asdict(resolved(TranslationSettings(), "cut"))
    chosen: dict[str, object] = {"generator": "unet", "resampling": "transposed", "size": 128}
    changes = {name: chosen.get(name) or _other(value) for name, value in plan.items() if name != "check_every"}
    assert [name for name, other in changes.items() if not _changed({name: other}, base)] == []


@pytest.mark.parametrize("change", [{"check_every": 10}, {"checked_images": 8}])
def test_measurements_count_where_they_end_a_training(change: dict[str, object]) -> None:
    assert _changed(change, {"patience": 3}) == GANS


def test_unet_counts_its_dropout_and_resnets_their_blocks() -> None:
    unet: dict[str, object] = {"generator": "unet", "arms": ["it_pr/cyclegan"]}
    assert "cyclegan" not in _changed({"generator_blocks": 3}, unet) | _changed({"dropout": 0.1}, unet)
    assert "pix2pix" in _changed({"generator_blocks": 3}, {"generator": "resnet"})
    assert "pix2pix" not in _changed({"dropout": 0.1}, {"generator": "resnet"})


@pytest.mark.parametrize(
    ("method", "published"),
    [
        ("cyclegan", {"generator": "resnet", "learning_rate": 2e-4, "decay_share": 0.5, "cycle_weight": 10.0}),
        ("cut", {"generator": "resnet", "nce_weight": 1.0, "identity_nce": True, "decay_share": 0.5}),
        ("fastcut", {"generator": "resnet", "nce_weight": 10.0, "identity_nce": False, "decay_share": 0.25}),
        ("reggan", {"generator": "resnet", "learning_rate": 1e-4, "decay_share": 0.0, "cycle_weight": 10.0}),
        ("reggan_nc", {"learning_rate": 1e-4, "correction_weight": 20.0, "smooth_weight": 10.0}),
        ("pix2pix", {"generator": "unet", "pixel_weight": 100.0, "dropout": 0.5, "learning_rate": 2e-4}),
    ],
)
@pytest.mark.parametrize("preset", ["tiny", "small", "paper"])
def test_a_method_has_the_numbers_of_its_paper_in_every_preset(
    method: Gan, published: dict[str, object], preset: str
) -> None:
    plan = dataclasses.asdict(resolved(TranslationSettings.model_validate({"preset": preset}), method))
    assert {name: plan[name] for name in published} == published


def test_explicit_fields_replace_the_numbers_of_a_paper() -> None:
    given = {"learning_rate": 3e-4, "decay_share": 0.2, "generator": "resnet", "nce_weight": 2.0, "identity_nce": True}
    settings = TranslationSettings.model_validate(given)
    for method in ("fastcut", "reggan", "pix2pix"):
        assert dataclasses.asdict(resolved(settings, method)).items() >= given.items()


@pytest.mark.parametrize("arm", ["it_pr/cut", "it_pr/fastcut"])
def test_unet_is_refused_where_features_of_a_resnet_are_contrasted(arm: str) -> None:
    with pytest.raises(ValidationError, match=f"{arm} contrasts features"):
        TranslationSettings(generator="unet", arms=[arm])
    assert TranslationSettings(generator="unet", arms=["it_pr/cyclegan", "it_pr/reggan"]).generator == "unet"


def test_stopping_by_a_measurement_that_is_not_made_is_refused() -> None:
    with pytest.raises(ValidationError, match="checked_images=0"):
        TranslationSettings(patience=2, checked_images=0)


@pytest.mark.parametrize("alignment", ["none", "lung_box"])
def test_exchange_of_lungs_is_refused_where_they_are_not_in_place(alignment: str) -> None:
    with pytest.raises(ValidationError, match="lung_swap"):
        TranslationSettings(lung_swap=True, arms=[f"{alignment}/cyclegan"])
    assert TranslationSettings(lung_swap=True, arms=[f"{alignment}/pca", "it_pr/cut"]).lung_swap


def test_preset_counts_by_its_numbers_not_by_its_name() -> None:
    tiny = resolved(TranslationSettings(preset="tiny"), "cut")
    spelled_out = TranslationSettings(preset="paper", **dataclasses.asdict(tiny))
    assert arm_digest(CUT, 0, spelled_out) == arm_digest(CUT, 0, TranslationSettings(preset="tiny"))
