"""Registration by packages that a user may or may not have, ANTs' SyN and elastix: imported only when called.

Both methods take (H, W) float32 images of one size and return a float32 (2, H, W) displacement in pixels, channel 0 x
and 1 y, backward: ``warped(p) = moving(p + u(p))``, p on the fixed grid, pixel centers at integers.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from assets.peers.classical import check_pair
from assets.peers.elastix_process import THREADS, ElastixProcess

# ANTs carries no types.
Wrapped: TypeAlias = Any
F32 = npt.NDArray[np.float32]

PACKAGES = {"syn": "antspyx", "elastix": "itk-elastix"}
SEED = 1
# One for all calls: loading elastix takes longer than to register.
_ELASTIX = ElastixProcess()


def installed() -> frozenset[str]:
    """The methods of this module, "syn" and "elastix", whose packages are installed; imports none of them."""
    itk = find_spec("itk")
    # itk alone has no elastix; looking a submodule up by its dotted name would import its package.
    elastix_found = itk is not None and PathFinder.find_spec("itk.ElastixPython", itk.submodule_search_locations)
    found = {"syn": find_spec("ants") is not None, "elastix": bool(elastix_found)}
    return frozenset(name for name, present in found.items() if present)


def syn(fixed: F32, moving: F32) -> F32:
    """Symmetric normalization: affine, then a diffeomorphism, both by Mattes mutual information.

    One thread and a fixed seed of the metric's sampling, if no other code has run ANTs in this process before.

    Args:
        fixed: (H, W) image whose grid the result has.
        moving: (H, W) image.

    Returns:
        (2, H, W) displacement as the module describes, affine and diffeomorphism composed.

    Raises:
        ModuleNotFoundError: antspyx is not installed.
        ValueError: as `assets.peers.classical.check_pair`.

    Source: Avants et al. 2008, doi:10.1016/j.media.2007.06.004.
    """
    check_pair(fixed, moving)
    _check_installed("syn")
    with _one_thread():
        ants: Wrapped = import_module("ants")
        # ANTs reads the first axis of an array as x.
        target, source = (ants.from_numpy(np.ascontiguousarray(image.T, np.float32)) for image in (fixed, moving))
        with TemporaryDirectory() as folder:
            prefix = str(Path(folder) / "syn")
            found = ants.registration(target, source, "SyN", outprefix=prefix, random_seed=SEED)
            whole = ants.apply_transforms(target, source, found["fwdtransforms"], compose=prefix)
            vectors = ants.image_read(whole).numpy()
    return np.ascontiguousarray(vectors.transpose(2, 1, 0), dtype=np.float32)


def elastix(fixed: F32, moving: F32) -> F32:
    """Affine, then B-spline registration with elastix's own default parameters, their sampling seeded.

    One thread of a process of its own, which stays for the next call.

    Args:
        fixed: (H, W) image whose grid the result has.
        moving: (H, W) image.

    Returns:
        (2, H, W) displacement as the module describes.

    Raises:
        ModuleNotFoundError: itk-elastix is not installed.
        RuntimeError: elastix failed on the pair, or its process ended.
        ValueError: as `assets.peers.classical.check_pair`.

    Source: Klein et al. 2010, doi:10.1109/TMI.2009.2035616.
    """
    check_pair(fixed, moving)
    _check_installed("elastix")
    return _ELASTIX.register(fixed, moving)


def _check_installed(method: str) -> None:
    if method not in installed():
        package = PACKAGES[method]
        raise ModuleNotFoundError(f"{method}: expected {package}, which is not installed; pip install {package}")


@contextmanager
def _one_thread() -> Iterator[None]:
    """ITK takes its number of threads from the environment, once, when it first registers."""
    before = os.environ.get(THREADS)
    os.environ[THREADS] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[THREADS]
        else:
            os.environ[THREADS] = before
