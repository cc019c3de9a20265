"""Who a patient is called and which radiograph this is, without telling either."""

import hashlib
import hmac

import numpy as np
import numpy.typing as npt

# Part of every radiograph_id: raise it when decoding changes what pixels a file gives.
IDENTITY_VERSION = "1"
# Splits and shards must be the same wherever the cohort is read, so they hang on a public key.
ASSIGNMENT_KEY = b"pseudopair split and shard"


def pseudonym(patient_id: str, key: bytes) -> str:
    """Keyed pseudonym of a patient: HMAC-SHA256 (RFC 2104), 24 hexadecimal characters.

    The key never leaves its installation; without it, guessing patient ids and hashing them finds nobody.

    Args:
        patient_id: the patient in the source's words; blanks around it do not count (DICOM pads with them).
        key: secret, at least one byte.

    Raises:
        ValueError: no id or no key.
    """
    if not patient_id.strip():
        raise ValueError("patient_id: expected the source's id, found none; name the patient in every row")
    if not key:
        raise ValueError("key: expected a secret, found none; set one for the installation")
    return hmac.digest(key, patient_id.strip().encode(), "sha256").hex()[:24]


def assignment(patient: str) -> str:
    """What a patient's split and shard are drawn by: a pseudonym under a public key, never to be shown.

    Args:
        patient: the patient in the source's words, or what stands for one who is unknown.
    """
    return pseudonym(patient, ASSIGNMENT_KEY)


def radiograph_id(pixels: npt.NDArray[np.float32]) -> str:
    """Identity of decoded pixels: SHA-256 of their 16-bit values, shape and the identity rules.

    The same gray values stored with 8 or 16 bits, as PNG or TIFF, are the same radiograph.

    Args:
        pixels: float32 (H, W) in [0, 1], as decoded, before the canvas.

    Returns:
        32 hexadecimal characters.

    Raises:
        ValueError: values that are not in [0, 1].
    """
    if pixels.ndim != 2 or not (pixels.size and pixels.min() >= 0 and pixels.max() <= 1):
        raise ValueError("pixels: expected (H, W) within [0, 1]; hash what `decode` returned")
    quantised = np.rint(pixels.astype(np.float64) * 65535).astype("<u2")
    digest = hashlib.sha256(f"radiograph {IDENTITY_VERSION} {pixels.shape[0]} {pixels.shape[1]} ".encode())
    digest.update(quantised.tobytes())
    return digest.hexdigest()[:32]
