import uuid
from pathlib import Path
from typing import Any

import pytest

from resources.object_store import ObjectStore
from tests.pipelines.installation import Installation

pytestmark = pytest.mark.timeout(1500)
REPORT = "registration_report"
MEASURED = ("ms", "peak_mib")
TIMED = ("seconds", "images_per_second")


def repeatable(row: dict[str, Any]) -> dict[str, Any]:
    """A row without what differs from run to run."""
    left_out = (*MEASURED, "artifact_digest") if "ms" in row else ("run_id", *TIMED)
    return {name: value for name, value in row.items() if name not in left_out}


WHOLE = pytest.param("registration_report", marks=pytest.mark.slow)


@pytest.mark.parametrize("until", ["registered_radiographs", WHOLE])
def test_a_run_on_s3_gives_the_manifests_of_a_local_one(
    tmp_path: Path, s3_endpoint: str, tiny: dict[str, Any], reference: Installation, until: str
) -> None:
    root = f"s3://pseudopair/{uuid.uuid4().hex}/cohorts"
    environment = {
        "PSEUDOPAIR_STORE": root,
        "AWS_ENDPOINT_URL": s3_endpoint,
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
    }
    options = {"key": "x", "secret": "x", "client_kwargs": {"endpoint_url": s3_endpoint}}
    remote = Installation(tmp_path, environment, ObjectStore(root, options))
    remote.declare(tiny)
    remote.run("tiny", "--until", until)
    there, here = remote.digests(until), reference.digests(until)
    # What is measured in time and memory is not the same twice, and it is part of the artefacts, too; a pair says in
    # which run it was made, a translator how long it took.
    assert {stage for stage in there if there[stage] != here[stage]} <= {REPORT, "pseudo_pairs", "translator"}
    for stage in there:
        assert list(map(repeatable, remote.rows(stage))) == list(map(repeatable, reference.rows(stage)))
    assert not (remote.home / "store").exists()
    row = remote.rows("lung_masks")[0]
    assert remote.store.read(row["artifact"]) == reference.store.read(row["artifact"])
