"""Peer registration by SimpleITK, with its result in this project's convention."""

from importlib import import_module
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

# SimpleITK's generated wrappers carry no types.
Wrapped: TypeAlias = Any
sitk: Wrapped = import_module("SimpleITK")
F32 = npt.NDArray[np.float32]


def _mutual_information(shrink: list[int], sigmas: list[float]) -> Wrapped:
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(32)
    method.SetNumberOfThreads(1)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetShrinkFactorsPerLevel(shrink)
    method.SetSmoothingSigmasPerLevel(sigmas)
    return method


def _affine(fixed: Wrapped, moving: Wrapped) -> Wrapped:
    start = sitk.CenteredTransformInitializer(
        fixed, moving, sitk.AffineTransform(2), sitk.CenteredTransformInitializerFilter.GEOMETRY
    )
    method = _mutual_information([8, 4, 2], [4.0, 2.0, 1.0])
    method.SetOptimizerAsRegularStepGradientDescent(2.0, 1e-3, 150)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(start, inPlace=False)
    return method.Execute(fixed, moving)


def _bspline(fixed: Wrapped, moving: Wrapped, start: Wrapped, mesh: int) -> Wrapped:
    grid = sitk.BSplineTransformInitializer(fixed, [mesh, mesh], order=3)
    method = _mutual_information([4, 2], [2.0, 1.0])
    method.SetOptimizerAsLBFGSB(gradientConvergenceTolerance=1e-5, numberOfIterations=40)
    method.SetMovingInitialTransform(start)
    method.SetInitialTransform(grid, inPlace=False)
    return method.Execute(fixed, moving)


def affine_bspline(fixed_image: F32, moving_image: F32, mesh: int = 6) -> F32:
    """Affine, then free-form registration by Mattes mutual information.

    Single-threaded, hence deterministic.

    Args:
        fixed_image: (H, W) float32.
        moving_image: (H, W) float32.
        mesh: B-spline mesh cells per side.

    Returns:
        (2, H, W) float32 displacement in pixels, channel 0 x and 1 y, backward:
        warped(p) = moving(p + u(p)), p on the fixed grid, pixel centers at integers.

    Source: Rueckert et al. 1999, doi:10.1109/42.796284 (free-form deformation); Mattes et al. 2003,
    doi:10.1109/TMI.2003.809072 (the metric).
    """
    fixed = sitk.GetImageFromArray(np.ascontiguousarray(fixed_image, np.float32))
    moving = sitk.GetImageFromArray(np.ascontiguousarray(moving_image, np.float32))
    affine = _affine(fixed, moving)
    elastic = _bspline(fixed, moving, affine, mesh)
    total = sitk.CompositeTransform([affine, elastic])
    to_field = sitk.TransformToDisplacementFieldFilter()
    to_field.SetReferenceImage(fixed)
    field = to_field.Execute(total)
    vectors = sitk.GetArrayFromImage(field)
    return np.ascontiguousarray(vectors.transpose(2, 0, 1), dtype=np.float32)
