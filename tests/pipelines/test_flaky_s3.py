import time
import uuid
from pathlib import Path

import pytest

from pipelines.verify import verify
from resources.object_store import ABSENT, ObjectStore
from tests.pipelines.flaky_proxy import FAILURES, every_third, proxied
from tests.pipelines.killing import STAGES
from tests.pipelines.processes import in_child
from tests.pipelines.small_run import manifests, pointers, run_stages

pytestmark = pytest.mark.timeout(600)
# Attempts after an answer wait longer for one another than those after none.
ANSWERS = [pytest.param(each, marks=pytest.mark.slow) for each in ("InternalError", "SlowDown")]


def options(endpoint: str) -> dict[str, object]:
    return {"key": "x", "secret": "x", "client_kwargs": {"endpoint_url": endpoint}}


@pytest.mark.slow
def test_a_run_whose_every_third_request_fails_gives_the_manifests_of_a_local_one(
    tmp_path: Path, s3_endpoint: str
) -> None:
    assert in_child(run_stages, str(tmp_path), STAGES) == 0
    root = f"s3://pseudopair/{uuid.uuid4().hex}"
    with proxied(s3_endpoint, every_third) as proxy:
        keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_ENDPOINT_URL": proxy.url}
        assert in_child(run_stages, root, STAGES, environment=keys) == 0
    assert set(proxy.failed) == set(FAILURES)
    assert sum(proxy.failed.values()) == proxy.requests // 3
    remote = ObjectStore(root, options(s3_endpoint))
    assert manifests(remote) == manifests(ObjectStore(str(tmp_path)))
    assert verify(remote).passed
    assert [path for path in remote.find("") if path.endswith("FAILED.json")] == []
    assert {pointer["failed"] for pointer in pointers(remote).values()} == {0}


@pytest.mark.parametrize("failure", [*ANSWERS, "reset", "cut"])
def test_each_failure_of_a_request_is_survived_by_each_operation(s3_endpoint: str, failure: str) -> None:
    root = f"s3://pseudopair/{uuid.uuid4().hex}"
    with proxied(s3_endpoint, lambda number: failure if number % 2 else None) as proxy:
        store = ObjectStore(root, options(proxy.url))
        store.write("a", b"one")
        assert store.create("b", b"two") == b"two"
        assert store.create("b", b"three") == b"two"
        store.replace("pointer", b"1", ABSENT)
        store.replace("pointer", b"2", store.version("pointer"))
        assert [store.read(path) for path in ("a", "b", "pointer")] == [b"one", b"two", b"2"]
        assert store.find("") == {"a", "b", "pointer"}
        store.delete("a")
        assert store.read_or_none("a") is None
        assert proxy.failed[failure] >= 5


@pytest.mark.parametrize("failure", [*ANSWERS, "reset"])
def test_a_server_that_only_fails_is_an_error_in_bounded_time(s3_endpoint: str, failure: str) -> None:
    with proxied(s3_endpoint, lambda number: failure) as proxy:
        store = ObjectStore(f"s3://pseudopair/{uuid.uuid4().hex}", options(proxy.url))
        started = time.monotonic()
        with pytest.raises(OSError, match=r"the storage failed with .*see that it answers, then run again"):
            store.write("a", b"x")
        assert time.monotonic() - started < 60
        # botocore's 3 attempts, and s3fs's 5.
        assert proxy.requests <= 15


def test_a_server_that_never_answers_is_an_error_in_bounded_time(s3_endpoint: str) -> None:
    impatient = {"config_kwargs": {"read_timeout": 0.3, "retries": {"mode": "standard", "total_max_attempts": 1}}}
    with proxied(s3_endpoint, lambda number: "silence") as proxy:
        store = ObjectStore(f"s3://pseudopair/{uuid.uuid4().hex}", options(proxy.url) | impatient)
        started = time.monotonic()
        with pytest.raises(OSError, match=r"the storage failed with .*see that it answers, then run again"):
            store.read("a")
        assert time.monotonic() - started < 30
