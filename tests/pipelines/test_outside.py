import json

import numpy as np
import pytest
from torch.utils.data import DataLoader

from pipelines.outside.datasets import PseudoPairs, Radiographs
from pipelines.outside.items import collate
from resources.manifests import read_artifact
from tests.pipelines.installation import Installation

pytestmark = pytest.mark.timeout(600)


def test_the_data_sets_give_what_a_run_has_stored(reference: Installation) -> None:
    registered = {
        row["radiograph_id"]: row for row in reference.rows("registered_radiographs") if row["status"] == "ok"
    }
    pairs = PseudoPairs(reference.store.root, "tiny", None, lesions=True, boxes=True)
    assert [pair["pair_id"] for pair in pairs] == [row["pair_id"] for row in reference.rows("pseudo_pairs")]
    for pair in pairs:
        arrays = read_artifact(reference.store, registered[pair["abnormal_id"]])
        np.testing.assert_array_equal(np.rint(pair["abnormal"][0].numpy() * 65535), arrays["image"])
        np.testing.assert_array_equal(pair["abnormal_lesion"][0].numpy(), arrays["lesion"])
    alone = Radiographs(reference.store.root, "tiny", None)
    assert {radiograph["radiograph_id"] for radiograph in alone} == set(registered)
    batch = next(iter(DataLoader(PseudoPairs(reference.store.root, "tiny", lung_swap=True), batch_size=2)))
    assert batch["abnormal"].shape == (2, 1, 64, 64)
    boxed = next(iter(DataLoader(pairs, batch_size=2, collate_fn=collate)))
    assert [boxes.shape[1] for boxes in boxed["abnormal_boxes"]] == [4, 4]


@pytest.mark.parametrize("alignment", ["it_dpr", "it_pr", "none"])
def test_a_run_can_be_exported(finished: Installation, alignment: str) -> None:
    folder = finished.folder / "exported"
    status, printed = finished.call("export", "tiny", str(folder), "--alignment", alignment)
    assert status == 0, printed
    counts = json.loads((folder / "export.json").read_text(encoding="utf-8"))["counts"]
    assert counts == {"radiographs": 26, "pairs": len(finished.rows("pseudo_pairs"))}
    assert len(list(folder.glob("images/*/*/*.png"))) == 26
    again = finished.call("export", "tiny", str(folder), "--alignment", alignment)[1]
    assert "0 radiographs written, 26 kept, 0 files removed" in again
