"""elastix's side of `assets.peers.elastix_process`: run as a script, in a process that holds NumPy and ITK alone.

It answers every pair of images with a displacement, or with a sentence that says what went wrong.
"""

import sys
from contextlib import chdir
from importlib import import_module
from multiprocessing.connection import Connection
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

# ITK's generated wrappers carry no types.
Wrapped: TypeAlias = Any
F32 = npt.NDArray[np.float32]

SEED = 1


def displacement(fixed: F32, moving: F32) -> F32:
    """Affine, then B-spline registration, as `assets.peers.optional.elastix` describes it."""
    itk = import_module("itk")
    target, source = (itk.image_from_array(np.ascontiguousarray(image, np.float32)) for image in (fixed, moving))
    # transformix leaves its field as a file in the working folder, too.
    with TemporaryDirectory() as folder, chdir(folder):
        _, found = itk.elastix_registration_method(
            target, source, parameter_object=_parameters(itk), log_to_console=False, number_of_threads=1
        )
        vectors = itk.array_from_image(itk.transformix_deformation_field(source, found, log_to_console=False))
    return np.ascontiguousarray(vectors.transpose(2, 0, 1), dtype=np.float32)


def _parameters(itk: Wrapped) -> Wrapped:
    parameters = itk.ParameterObject.New()
    for stage in ("affine", "bspline"):
        chosen = parameters.GetDefaultParameterMap(stage, 4, 40.0)
        chosen["RandomSeed"] = [str(SEED)]
        chosen["WriteResultImage"] = ["false"]
        parameters.AddParameterMap(chosen)
    return parameters


def _answer(fixed: F32, moving: F32) -> F32 | str:
    try:
        return displacement(fixed, moving)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def main() -> None:
    """Answer on the connection whose descriptor is the first argument, until the other side closes it."""
    with Connection(int(sys.argv[1])) as link:
        while True:
            try:
                fixed, moving = link.recv()
            except EOFError:
                return
            link.send(_answer(fixed, moving))


if __name__ == "__main__":
    main()
