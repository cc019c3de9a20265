"""The trainings that settings ask for, and the digests that address them."""

import hashlib
import json

from assets.translation.arms import Arm, Method, is_gan, parse_arm
from assets.translation.presets import Number, candidates, image_size, resolved
from assets.translation.settings import TranslationSettings

# Raised whenever the same settings and images would give other weights than before; the asset's VERSION with it, which
# is what `status` and Dagster compare.
METHOD_VERSIONS: dict[Method, str] = {
    "cyclegan": "2",
    "cut": "2",
    "fastcut": "1",
    "reggan": "1",
    "reggan_nc": "1",
    "pix2pix": "1",
    "pca": "4",
    "template": "1",
}

_COMMON = (
    "size",
    "generator",
    "generator_width",
    "residual",
    "discriminator_width",
    "discriminator_layers",
    "steps",
    "batch",
    "learning_rate",
    "beta1",
    "beta2",
    "decay_share",
    "augment_shift",
    "augment_gain",
    "ema_decay",
    "gradient_clip",
)
_OF_GENERATOR: dict[str, tuple[str, ...]] = {"resnet": ("generator_blocks", "resampling"), "unet": ()}
_CUT = (
    "adversarial_weight",
    "nce_weight",
    "nce_temperature",
    "identity_nce",
    "nce_patches",
    "nce_width",
    "flip_equivariance",
)
_REGGAN = ("correction_weight", "smooth_weight", "registration_width")
_OF_METHOD: dict[Method, tuple[str, ...]] = {
    "cyclegan": ("cycle_weight", "identity_weight", "pool_size"),
    "cut": _CUT,
    "fastcut": _CUT,
    "reggan": (*_REGGAN, "cycle_weight", "pool_size"),
    "reggan_nc": _REGGAN,
    "pix2pix": ("pixel_weight",),
}


def planned_runs(settings: TranslationSettings) -> list[tuple[Arm, int]]:
    """Every arm with every seed, in order, each once; what draws nothing (PCA, template) with the first seed only."""
    runs: list[tuple[Arm, int]] = []
    for arm in (parse_arm(text) for text in settings.arms):
        seeds = settings.seeds if is_gan(arm.method) else settings.seeds[:1]
        runs.extend((arm, seed) for seed in seeds if (arm, seed) not in runs)
    return runs


def arm_digest(arm: Arm, seed: int, settings: TranslationSettings) -> str:
    """SHA-256 (64 hex digits) of what decides the weights of this arm, apart from its images.

    Only settings that the arm's method reads are in it, with presets resolved: a new cycle weight leaves CUT and PCA
    alone, and PCA and template have the same digest for every seed.
    """
    content = {
        "alignment": arm.alignment,
        "method": arm.method,
        "version": METHOD_VERSIONS[arm.method],
        **_relevant(arm.method, seed, settings),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _relevant(method: Method, seed: int, settings: TranslationSettings) -> dict[str, Number | None]:
    if not is_gan(method):
        # Of the candidates, those that are tried; in which order they are written decides nothing.
        tried = {"pca_components": ",".join(map(str, candidates(settings)))} if method == "pca" else {}
        return {"size": image_size(settings), **tried}
    plan = resolved(settings, method)
    names = (*_COMMON, *_OF_GENERATOR[plan.generator], *_OF_METHOD[method])
    if method == "pix2pix" and plan.generator == "unet":
        names = (*names, "dropout")
    return {"seed": seed, **{name: getattr(plan, name) for name in names}, **_ends(settings, plan.check_every)}


def _ends(settings: TranslationSettings, check_every: int) -> dict[str, Number | None]:
    """What may end a training early, and the exchange of lungs; only where they are on."""
    ends: dict[str, Number | None] = {"lung_swap": True} if settings.lung_swap else {}
    if settings.patience:
        ends |= {"patience": settings.patience, "check_every": check_every, "checked_images": settings.checked_images}
    if settings.minutes is not None:
        ends["minutes"] = settings.minutes
    return ends
