"""Stored DICOM values to displayed ones: modality LUT or rescale, then VOI LUT or window (PS3.3 C.11.1, C.11.2)."""

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from assets.radiographs.decoded import UnusableFile

F64 = npt.NDArray[np.float64]


def modality_values(stored: npt.NDArray[np.integer], dataset: Dataset) -> tuple[F64, float, float]:
    """Values after the modality LUT or rescale (PS3.3 C.11.1).

    Args:
        stored: (H, W), as stored.
        dataset: header with BitsStored and PixelRepresentation.

    Returns:
        float64 (H, W), and the least and greatest value the bits stored allow.
    """
    bits = int(dataset.BitsStored)
    shift = 2 ** (bits - 1) if dataset.PixelRepresentation else 0
    if dataset.get("ModalityLUTSequence"):
        table, depth = _lookup_table(dataset.ModalityLUTSequence[0], dataset)
        first = int(dataset.ModalityLUTSequence[0].LUTDescriptor[1])
        return _looked_up(stored.astype(np.float64), table, first), 0.0, float(2**depth - 1)
    slope = float(dataset.get("RescaleSlope") or 1)
    intercept = float(dataset.get("RescaleIntercept") or 0)
    ends = sorted(end * slope + intercept for end in (-shift, 2**bits - 1 - shift))
    return stored.astype(np.float64) * slope + intercept, ends[0], ends[1]


def voi_values(values: F64, low: float, high: float, dataset: Dataset) -> F64:
    """Values of interest over [0, 1], not yet clipped: VOI LUT, first window, or the whole range (PS3.3 C.11.2).

    Args:
        values: (H, W), from `modality_values`.
        low: least possible value.
        high: greatest possible value.
        dataset: header.

    Raises:
        UnusableFile: a window that cannot be applied.
    """
    if dataset.get("VOILUTSequence"):
        item = dataset.VOILUTSequence[0]
        table, depth = _lookup_table(item, dataset)
        return _looked_up(values, table, int(item.LUTDescriptor[1])) / float(2**depth - 1)
    if dataset.get("WindowWidth") is None or dataset.get("WindowCenter") is None:
        return (values - low) / (high - low)
    function = str(dataset.get("VOILUTFunction") or "LINEAR").upper()
    return window(values, _first(dataset.WindowCenter), _first(dataset.WindowWidth), function)


def window(values: F64, center: float, width: float, function: str) -> F64:
    """Window of interest over [0, 1], not yet clipped (PS3.3 C.11.2.1.2 and C.11.2.1.3).

    Args:
        values: after rescale, any shape.
        center: window center.
        width: window width.
        function: LINEAR, LINEAR_EXACT or SIGMOID.

    Raises:
        UnusableFile: another function, or a width the function is not defined for.
    """
    least = 1 if function == "LINEAR" else 0
    if function not in ("LINEAR", "LINEAR_EXACT", "SIGMOID") or width < least or width == 0:
        raise UnusableFile(
            f"found a window of width {width:g} that cannot be applied; expected a positive width and function "
            "LINEAR, LINEAR_EXACT or SIGMOID; export the image without window"
        )
    if function == "SIGMOID":
        return np.asarray(1 / (1 + np.exp(np.clip(-4 * (values - center) / width, -700, 700))))
    if function == "LINEAR_EXACT":
        return (values - center) / width + 0.5
    if width == 1:
        # A window of one value is a step; the general formula divides by its width less one.
        return (values > center - 0.5).astype(np.float64)
    return (values - (center - 0.5)) / (width - 1) + 0.5


def _lookup_table(item: Dataset, dataset: Dataset) -> tuple[F64, int]:
    little = dataset.file_meta.TransferSyntaxUID.is_little_endian
    data = item.LUTData
    values = np.frombuffer(data, "<u2" if little else ">u2") if isinstance(data, bytes) else np.asarray(data)
    return values.astype(np.float64), int(item.LUTDescriptor[2])


def _looked_up(values: F64, table: F64, first: int) -> F64:
    # pydicom's own lookup indexes with the output's type, which wraps round for 8-bit output of 12-bit input.
    index = np.clip(np.rint(values) - first, 0, table.size - 1).astype(np.intp)
    return np.asarray(table[index])


def _first(value: object) -> float:
    return float(value[0] if isinstance(value, MultiValue) else value)  # type: ignore[arg-type]
