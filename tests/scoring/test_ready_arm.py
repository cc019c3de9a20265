"""Translators read back from what a training leaves behind."""

import pytest
import torch

from assets.pairing.frames import Row
from assets.scoring.asset_arms import ready_arm
from assets.translation.arms import Gan
from assets.translation.asset_outcome import outcome
from assets.translation.domain import confine, support
from resources.arrays import encode
from resources.manifests import digest_of
from resources.object_store import ObjectStore
from tests.translation.tiny_training import images, small, trained

CPU = torch.device("cpu")
IMAGES = images(3, 0)
MASKS = torch.zeros_like(IMAGES)
MASKS[..., 4:28, 4:28] = 1


def left(store: ObjectStore, method: Gan) -> Row:
    """The row of a translator that was trained for a moment."""
    settings = small(steps=2)
    arrays = outcome(trained(method, settings), {}, best=False).arrays
    assert arrays is not None
    data = encode(arrays, {})
    store.write("artifact", data)
    stored = {"artifact": "artifact", "artifact_digest": digest_of(data)}
    return {"arm": f"none/{method}", "settings": settings.model_dump_json(), **stored}


@pytest.mark.parametrize("method", ["cyclegan", "reggan"])
def test_both_generators_translate_after_a_training(local_store: ObjectStore, method: Gan) -> None:
    row = left(local_store, method)
    arm = ready_arm(local_store, row, CPU, both_ways=True)
    assert arm.to_abnormal is not None
    there, back = (translate(IMAGES, MASKS) for translate in (arm.translate, arm.to_abnormal))
    assert torch.equal(confine(back, support(MASKS)), back)
    assert float((there - back).abs().mean()) > 1e-4
    one_way = ready_arm(local_store, row, CPU)
    assert one_way.to_abnormal is None
    assert torch.equal(one_way.translate(IMAGES, MASKS), there)


def test_a_method_of_one_generator_has_no_way_to_abnormal(local_store: ObjectStore) -> None:
    assert ready_arm(local_store, left(local_store, "cut"), CPU, both_ways=True).to_abnormal is None
