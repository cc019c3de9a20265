"""Arrays and their row's own columns as one safetensors object: no code in it, equal input gives equal bytes."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

Arrays = dict[str, npt.NDArray[Any]]


class CorruptArtifact(ValueError):
    """An artefact is not what its manifest says."""


def encode(arrays: Mapping[str, npt.NDArray[Any]], columns: Mapping[str, Any]) -> bytes:
    """Arrays plus JSON-able columns as safetensors bytes.

    The columns travel in the header, so that a run killed before its manifest was written can take its rows up again.
    """
    ordered = {name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)}
    return bytes(save(ordered, metadata={"columns": json.dumps(columns, sort_keys=True)}))


def decode(data: bytes) -> Arrays:
    """Arrays of an artefact.

    Raises:
        CorruptArtifact: the bytes are no safetensors object.
    """
    try:
        return dict(load(data))
    except SafetensorError as error:
        raise CorruptArtifact(f"not a readable artefact ({error}); delete it and run its stage again") from error


def decode_columns(data: bytes) -> dict[str, Any]:
    """The row's own columns from an artefact's header.

    Raises:
        CorruptArtifact: the header is damaged.
    """
    try:
        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + length])
        columns: dict[str, Any] = json.loads(header["__metadata__"]["columns"])
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptArtifact("no readable header; delete the artefact and run its stage again") from error
    return columns
