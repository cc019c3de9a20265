"""What the manifests of more than one stage share."""

import pyarrow as pa

ROW = [
    ("key", pa.string()),
    ("status", pa.string()),
    ("reason", pa.string()),
    ("artifact", pa.string()),
    ("artifact_digest", pa.string()),
]

SUBJECT = [
    ("radiograph_id", pa.string()),
    ("patient", pa.string()),
    ("domain", pa.string()),
    ("label", pa.string()),
    ("split", pa.string()),
]

COMMON = [*SUBJECT, *ROW]
CARRIED = [name for name, _ in SUBJECT]

BOX = pa.struct(
    [("x", pa.float64()), ("y", pa.float64()), ("width", pa.float64()), ("height", pa.float64()), ("kind", pa.string())]
)
