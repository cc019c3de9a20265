"""Attenuation of a lesion-free chest, built up structure by structure."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from assets.radiographs.phantom import anatomy, skeleton
from assets.radiographs.phantom.anatomy import SIDES, ellipse, mirrored
from assets.radiographs.phantom.drawing import Canvas, Image
from assets.radiographs.phantom.skeleton import RibCage, draw_cage
from assets.radiographs.phantom.vessels import draw_vessels


@dataclass(frozen=True, eq=False)
class Thorax:
    """Attenuation (H, W), arbitrary units, and lung labels (H, W): 0, 1 patient-right, 2 patient-left."""

    attenuation: Image
    lungs: npt.NDArray[np.uint8]


def draw_lungs(canvas: Canvas) -> npt.NDArray[np.uint8]:
    """Lung labels (H, W): 0 background, 1 patient-right (image left), 2 patient-left (image right)."""
    lungs = np.zeros((canvas.size, canvas.size), np.uint8)
    lungs[canvas.region(anatomy.LUNGS[-1])] = 1
    lungs[canvas.region(anatomy.LUNGS[1])] = 2
    return lungs


def _thickness(canvas: Canvas, region: Image, depth: float) -> Image:
    """Rounded profile of a filled region: 0 at its border, 1 beyond the given canonical depth."""
    inside = np.asarray(cv2.distanceTransform((region > 0.5).astype(np.uint8), cv2.DIST_L2, 5), np.float32)
    rim = 1 - np.clip(inside / np.float32(canvas.length(depth)), 0, 1)
    result: Image = np.sqrt(np.clip(1 - rim**2, 0, 1))
    return result


def _air(canvas: Canvas, lungs: npt.NDArray[np.uint8]) -> Image:
    """Air in the lungs, 0 to 1, thinner toward their borders."""
    depth = np.asarray(cv2.distanceTransform((lungs > 0).astype(np.uint8), cv2.DIST_L2, 5), np.float32)
    profile = 1 - np.exp(-((depth / np.float32(canvas.length(0.060))) ** np.float32(0.8)))
    return canvas.soften(profile.astype(np.float32), 0.0055)


def _soft_tissue(canvas: Canvas, rng: np.random.Generator) -> tuple[Image, Image]:
    """The trunk's own attenuation and its outline, softened."""
    outline = canvas.fill(anatomy.torso(rng.uniform(-0.02, 0.12)))
    profile = canvas.soften(_thickness(canvas, outline, 0.30), 0.008)
    trunk = canvas.soften(outline, 0.05)
    return np.float32(0.60) * (0.30 * canvas.soften(outline, 0.005) + 0.70 * profile), trunk


def _mediastinum(canvas: Canvas, silhouette: Image, rng: np.random.Generator) -> Image:
    """Heart and great vessels, one continuous shadow that is densest over the heart."""
    heart = canvas.fill(anatomy.HEART)
    bulk = canvas.soften(_thickness(canvas, heart, 0.24), 0.045)
    knob = canvas.soften(canvas.fill(ellipse((0.105, -0.385), (0.070, 0.068))), 0.009)
    dense, light = np.float32(rng.uniform(0.09, 0.13)), np.float32(rng.uniform(0.10, 0.13))
    shadow: Image = silhouette * (light + dense * bulk) + np.float32(rng.uniform(0.01, 0.05)) * knob
    return shadow


def _abdomen(canvas: Canvas, trunk: Image, rng: np.random.Generator) -> Image:
    """Everything below the domes, with stomach gas under the left one in half of the subjects."""
    level = np.float32(rng.uniform(0.13, 0.19))
    shadow = level * canvas.soften(canvas.fill(anatomy.ABDOMEN), 0.009) * trunk
    center = (0.46 + rng.normal(0, 0.03), 0.56 + rng.uniform(0.0, 0.05))
    radii = (rng.uniform(0.07, 0.13), rng.uniform(0.035, 0.055))
    if rng.random() < 0.5:
        shadow = shadow - np.float32(0.13) * canvas.soften(canvas.fill(ellipse(center, radii)), 0.012)
    return shadow


def _airways(canvas: Canvas) -> Image:
    """Air in the trachea and the main bronchi, 0 to 1."""
    windpipe = canvas.stroke([anatomy.TRACHEA], 0.075)
    bronchi = canvas.stroke([anatomy.RIGHT_BRONCHUS, anatomy.LEFT_BRONCHUS], 0.046, 0.8)
    return canvas.soften(np.maximum(windpipe, bronchi), 0.009)


def _spine(canvas: Canvas, cage: RibCage, rng: np.random.Generator) -> Image:
    """Vertebral bodies with pedicles and spinous processes."""
    bodies = canvas.fill(*(skeleton.vertebra(level, cage) for level in skeleton.VERTEBRAE))
    buttons = canvas.fill(
        *(
            ellipse(center, (0.013, 0.019), 12)
            for level in skeleton.VERTEBRAE
            for center in skeleton.pedicles(level, cage)
        )
    )
    processes = canvas.stroke([skeleton.spinous_process(level, cage) for level in skeleton.VERTEBRAE], 0.022)
    drawn = bodies + np.maximum(buttons, processes).astype(np.float32) * np.float32(0.45)
    return np.float32(rng.uniform(0.045, 0.075)) * canvas.soften(drawn, 0.006)


def _bone(canvas: Canvas, drawn: Image, core: float) -> Image:
    """A solid shape turned into bone: a bright cortical rim around a softer core."""
    kernel = np.ones((max(2, round(canvas.length(0.014))),) * 2, np.uint8)
    inner = canvas.soften(np.asarray(cv2.erode(drawn, kernel), np.float32), 0.006)
    return canvas.soften(drawn, 0.003) - np.float32(core) * inner


def _ribs(canvas: Canvas, cage: RibCage, rng: np.random.Generator) -> Image:
    """Posterior ribs, and anterior ones at half their contrast."""
    width, contrast = rng.uniform(0.046, 0.060), np.float32(rng.uniform(0.70, 1.30))
    back = [skeleton.posterior_rib(rib, side, cage) for side in SIDES for rib in skeleton.RIBS]
    front = [skeleton.anterior_rib(rib, side, cage) for side in SIDES for rib in skeleton.ANTERIOR_RIBS]
    posterior = _bone(canvas, canvas.stroke(back, width, rng.uniform(0.7, 1.0, len(back)).tolist()), 0.40)
    anterior = _bone(canvas, canvas.stroke(front, width * 1.12, rng.uniform(0.7, 1.0, len(front)).tolist()), 0.50)
    return contrast * (np.float32(0.072) * posterior + np.float32(0.042) * anterior)


def _shoulders(canvas: Canvas, rng: np.random.Generator) -> Image:
    """Clavicles, scapulae and humeral heads; the arms' position varies."""
    lift, swing = rng.normal(0, 0.022), rng.uniform(-0.03, 0.12)
    clavicle = anatomy.CLAVICLE + np.outer(np.linspace(0.5, 1.4, len(anatomy.CLAVICLE)), [0.0, lift])
    lines = [mirrored(clavicle, side) for side in SIDES]
    drawn = np.maximum(canvas.stroke(lines, 0.056), canvas.stroke([line[:3] for line in lines], 0.070))
    blades = [mirrored(anatomy.SCAPULA + np.array([swing, 0.0]), side) for side in SIDES]
    blade = canvas.soften(canvas.fill(*blades), 0.006)
    margin = canvas.soften(canvas.stroke([b[:30] for b in blades], 0.020), 0.005)
    x, y = anatomy.HUMERAL_HEAD
    heads = canvas.fill(*(ellipse((side * (x + swing / 2), y), (0.12, 0.13)) for side in SIDES))
    bones = np.float32(0.11) * _bone(canvas, drawn, 0.45) + np.float32(0.07) * _bone(canvas, heads, 0.3)
    shadow: Image = bones + np.float32(0.035) * blade + np.float32(0.035) * margin
    return shadow


def _breasts(canvas: Canvas, rng: np.random.Generator) -> Image:
    """Breast shadows in half of the subjects: a lower edge, fading upwards."""
    level, drop = rng.uniform(0.03, 0.09), rng.normal(0, 0.02)
    if rng.random() < 0.5:
        return np.zeros((canvas.size, canvas.size), np.float32)
    low = canvas.fill(*(ellipse((side * 0.47, 0.22 + drop), (0.31, 0.27)) for side in SIDES))
    high = canvas.fill(*(ellipse((side * 0.47, 0.02 + drop), (0.36, 0.27)) for side in SIDES))
    edge = canvas.soften(low, 0.014) * (1 - np.float32(0.85) * canvas.soften(high, 0.11))
    return np.float32(level) * edge


def _hila(canvas: Canvas) -> Image:
    """Blurred shadow of the vessels' roots."""
    roots = [ellipse(anatomy.HILUM[side], (0.050, 0.100), 32) for side in SIDES]
    return canvas.soften(canvas.fill(*roots), 0.028)


def _lung_content(canvas: Canvas, air: Image, rng: np.random.Generator) -> Image:
    """Vessels, minor fissure, hila and parenchymal texture, all confined to the air."""
    contrast, fissure = np.float32(rng.uniform(0.65, 1.25)), np.float32(rng.uniform(0.0, 0.03))
    marking = draw_vessels(canvas, rng) + np.float32(0.085) * _hila(canvas)
    marking += fissure * canvas.soften(canvas.stroke([anatomy.MINOR_FISSURE], 0.010), 0.004)
    texture = 0.011 * canvas.noise(rng, 0.055, 3) + 0.014 * canvas.noise(rng, 0.5, 2)
    content: Image = contrast * marking * np.clip(air * 1.3 + 0.1, 0, 1) + texture.astype(np.float32) * air
    return content


def draw_thorax(canvas: Canvas, rng: np.random.Generator) -> Thorax:
    """Draw the lesion-free chest of a subject; rng gives what the subject's map does not fix."""
    lungs = draw_lungs(canvas)
    air, cage = _air(canvas, lungs), draw_cage(rng)
    tissue, trunk = _soft_tissue(canvas, rng)
    aeration = np.float32(0.37 + 0.06 * np.clip((canvas.subject.inspiration - 0.8) / 0.3, 0, 1))
    below = canvas.soften(canvas.fill(anatomy.ABDOMEN), 0.03)
    # The heart rests on the liver: without this its lower border would show inside the abdomen.
    silhouette = canvas.soften(canvas.fill(anatomy.SILHOUETTE), 0.007) * (1 - below)
    hidden = (1 - np.float32(0.65) * below) * (1 - np.float32(0.45) * silhouette)
    bones = _ribs(canvas, cage, rng) * hidden * (np.float32(0.35) + np.float32(0.65) * trunk)
    attenuation = tissue - aeration * air + _mediastinum(canvas, silhouette, rng) + _abdomen(canvas, trunk, rng)
    attenuation += _spine(canvas, cage, rng) + bones + _shoulders(canvas, rng)
    attenuation += _breasts(canvas, rng) * (1 - np.float32(0.7) * np.maximum(silhouette, below))
    attenuation += _lung_content(canvas, air, rng) - np.float32(0.09) * _airways(canvas)
    return Thorax(attenuation, lungs)
