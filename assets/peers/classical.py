"""Registration by SimpleITK from the images alone: affine, free-form and diffeomorphic demons.

Every function takes (H, W) float32 images of one size and returns a float32 (2, H, W) displacement in pixels, channel
0 x and 1 y, backward: ``warped(p) = moving(p + u(p))``, p on the fixed grid, pixel centers at integers. All run on one
thread without random sampling, so a second run agrees to the last digits of its sums.
"""

from importlib import import_module
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

# SimpleITK's generated wrappers carry no types.
Wrapped: TypeAlias = Any
sitk: Wrapped = import_module("SimpleITK")
F32 = npt.NDArray[np.float32]
# A search's grids, the coarsest first: factor of the shrinking, and spread in pixels of the smoothing before it.
Levels: TypeAlias = tuple[tuple[int, float], ...]


def affine(fixed: F32, moving: F32) -> F32:
    """Affine registration by Mattes mutual information.

    Args:
        fixed: (H, W) image whose grid the result has.
        moving: (H, W) image.

    Returns:
        (2, H, W) displacement as the module describes.

    Raises:
        ValueError: the images differ in size, or one is constant or not finite.

    Source: Mattes et al. 2003, doi:10.1109/TMI.2003.809072 (the metric).
    """
    target, source = _wrapped_pair(fixed, moving)
    return _displacement(_affine(target, source), target)


def affine_bspline(fixed: F32, moving: F32, mesh: int = 5) -> F32:
    """Affine, then free-form registration by Mattes mutual information.

    Args:
        fixed: (H, W) image whose grid the result has.
        moving: (H, W) image.
        mesh: B-spline mesh cells a side.

    Returns:
        (2, H, W) displacement as the module describes.

    Raises:
        ValueError: as `affine`.

    Source: Rueckert et al. 1999, doi:10.1109/42.796284 (free-form deformation); Mattes et al. 2003,
    doi:10.1109/TMI.2003.809072 (the metric).
    """
    target, source = _wrapped_pair(fixed, moving)
    start = _affine(target, source)
    return _displacement(sitk.CompositeTransform([start, _bspline(target, source, start, mesh)]), target)


def demons(fixed: F32, moving: F32) -> F32:
    """Affine, then diffeomorphic demons on images with matched histograms, coarse to fine.

    Args:
        fixed: (H, W) image whose grid the result has.
        moving: (H, W) image.

    Returns:
        (2, H, W) displacement as the module describes, affine and demons composed.

    Raises:
        ValueError: as `affine`.

    Source: Vercauteren et al. 2009, doi:10.1016/j.neuroimage.2008.10.040 (diffeomorphic demons).
    """
    target, source = _wrapped_pair(fixed, moving)
    start = _affine(target, source)
    # Resampling replicates the border by extrapolation to the nearest pixel: black beyond it would draw the field.
    nearer = sitk.Resample(source, target, start, sitk.sitkLinear, 0.0, sitk.sitkFloat32, True)
    matched = sitk.HistogramMatching(nearer, target, 256, 15)
    field = _diffeomorphic(target, matched)
    return _displacement(sitk.CompositeTransform([start, sitk.DisplacementFieldTransform(field)]), target)


def check_pair(fixed: F32, moving: F32) -> None:
    """Refuse images that no intensity registration can work on.

    Raises:
        ValueError: the images differ in size, or one is constant or not finite.
    """
    if fixed.ndim != 2 or fixed.shape != moving.shape:
        raise ValueError(
            f"fixed has shape {fixed.shape}, moving {moving.shape}; expected two (H, W) images of one size: "
            "resample them to a common grid"
        )
    for name, image in (("fixed", fixed), ("moving", moving)):
        low, high = float(image.min()), float(image.max())
        if not (np.isfinite([low, high]).all() and low < high):
            raise ValueError(
                f"{name}: expected a finite image with contrast, its values span {low:g} to {high:g}; "
                "check the window of its lungs, or set the radiograph aside"
            )


def _wrapped_pair(fixed: F32, moving: F32) -> tuple[Wrapped, Wrapped]:
    check_pair(fixed, moving)
    target, source = (sitk.GetImageFromArray(np.ascontiguousarray(image, np.float32)) for image in (fixed, moving))
    return target, source


def _mutual_information(levels: Levels) -> Wrapped:
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(32)
    method.SetNumberOfThreads(1)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetShrinkFactorsPerLevel([factor for factor, _ in levels])
    method.SetSmoothingSigmasPerLevel([sigma for _, sigma in levels])
    return method


def _affine(fixed: Wrapped, moving: Wrapped) -> Wrapped:
    # From some copies of a radiograph a search runs away, seldom both from the same one; the one that explains the
    # images better is kept.
    found = [_affine_search(fixed, moving, levels) for levels in (((8, 4.0), (4, 2.0), (2, 1.0)), ((2, 1.0),))]
    small, source = (_shrunk(image, 2) for image in (fixed, moving))
    return min(found, key=lambda transform: _cost(small, source, transform))


def _affine_search(fixed: Wrapped, moving: Wrapped, levels: Levels) -> Wrapped:
    geometry = sitk.CenteredTransformInitializerFilter.GEOMETRY
    start = sitk.CenteredTransformInitializer(fixed, moving, sitk.AffineTransform(2), geometry)
    method = _mutual_information(levels)
    # A first step as long on a small image as on a large one makes searches on it run away.
    method.SetOptimizerAsRegularStepGradientDescent(max(fixed.GetSize()) / 128, 1e-3, 150)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(start, inPlace=False)
    return method.Execute(fixed, moving)


def _cost(fixed: Wrapped, moving: Wrapped, transform: Wrapped) -> float:
    """Negative mutual information of the images under a transform, infinite where it leaves no overlap of them."""
    method = _mutual_information(((1, 0.0),))
    method.SetInitialTransform(transform, inPlace=False)
    try:
        return float(method.MetricEvaluate(fixed, moving))
    except RuntimeError:
        return float("inf")


def _bspline(fixed: Wrapped, moving: Wrapped, start: Wrapped, mesh: int) -> Wrapped:
    grid = sitk.BSplineTransformInitializer(fixed, [mesh, mesh], order=3)
    method = _mutual_information(((4, 1.0), (2, 0.5)))
    method.SetOptimizerAsLBFGSB(gradientConvergenceTolerance=1e-5, numberOfIterations=15)
    method.SetMovingInitialTransform(start)
    method.SetInitialTransform(grid, inPlace=False)
    return method.Execute(fixed, moving)


def _diffeomorphic(fixed: Wrapped, moving: Wrapped) -> Wrapped:
    """Demons' displacement field on the fixed grid, each level started from the coarser one's."""
    field = None
    for factor, iterations in ((4, 60), (2, 40)):
        small, source = (_shrunk(image, factor) for image in (fixed, moving))
        field = _carried(field, small)
        field = _demons_filter(iterations).Execute(small, source, field)
    return _carried(field, fixed)


def _demons_filter(iterations: int) -> Wrapped:
    method = sitk.DiffeomorphicDemonsRegistrationFilter()
    method.SetNumberOfThreads(1)
    method.SetNumberOfIterations(iterations)
    method.SetSmoothDisplacementField(True)
    method.SetStandardDeviations(4.0)
    return method


def _shrunk(image: Wrapped, factor: int) -> Wrapped:
    return sitk.Shrink(sitk.SmoothingRecursiveGaussian(image, 0.5 * factor), [factor, factor])


def _carried(field: Wrapped | None, grid: Wrapped) -> Wrapped:
    """The same field, or none at all, on another grid; displacements are in physical units and keep their length."""
    if field is None:
        zero = sitk.Image(grid.GetSize(), sitk.sitkVectorFloat64, 2)
        zero.CopyInformation(grid)
        return zero
    return sitk.Resample(field, grid, sitk.Transform(), sitk.sitkLinear, 0.0, sitk.sitkVectorFloat64, True)


def _displacement(transform: Wrapped, fixed: Wrapped) -> F32:
    to_field = sitk.TransformToDisplacementFieldFilter()
    to_field.SetReferenceImage(fixed)
    to_field.SetNumberOfThreads(1)
    vectors = sitk.GetArrayFromImage(to_field.Execute(transform))
    return np.ascontiguousarray(vectors.transpose(2, 0, 1), dtype=np.float32)
