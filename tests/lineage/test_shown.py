import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipelines.lineage.answer import lineage, patient_lineage
from pipelines.lineage.item import Item, Lineage
from pipelines.lineage.page import page
from pipelines.lineage.pictures import pair_picture, way_pictures
from pipelines.lineage.text import SHOWN, plain, tree
from resources.manifests import Place
from tests.lineage.made_up import MadeUp

NORMAL, ABNORMAL, TESTED = 0, 1, 17


class Page(HTMLParser):
    """Tags that are open at the end, addresses that a page names, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "img", "p", "tr", "td", "th", "dt", "dd", "li"):
            self.open.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.mark.parametrize("what", ["pair", "radiograph", "tested"])
def test_the_page_needs_nothing_else_and_names_every_key(made: MadeUp, what: str) -> None:
    text = {"pair": made.pair_id(ABNORMAL, NORMAL), "radiograph": made.name(NORMAL), "tested": made.name(TESTED)}[what]
    told = lineage(made.store, text)
    shown = Page(page(told, made.store))
    assert shown.open == []
    assert shown.addresses
    assert all(address.startswith("data:image/png;base64,") for address in shown.addresses)
    assert "not a medical device" in shown.words
    for item in [*told.reached, *all_of(told)]:
        assert item.name in shown.words
        assert item.columns.get("artifact", "") in shown.words


def all_of(told: Lineage) -> list[Item]:
    def every(item: Item) -> list[Item]:
        return [item, *(each for before in item.made_from for each in every(before))]

    return [each for item in told.items for each in every(item)]


def test_the_page_of_a_scored_radiograph_has_all_its_pictures(made: MadeUp) -> None:
    told = lineage(made.store, made.name(TESTED))
    captions = [each.caption for each in way_pictures(made.store, told.items[0], told.reached)]
    assert captions == [
        "on its canvas, with its lungs",
        "IT-PR, with the lungs of the reference",
        "IT-DPR, with the lungs of the reference",
        "anomaly map of it_dpr/pca seed 0",
    ]


def test_pictures_that_are_not_in_the_store_are_left_out(made: MadeUp) -> None:
    pair = made.pair_id(ABNORMAL, NORMAL)
    stage, shard = "registered_radiographs", made.shard(ABNORMAL)
    made.store.delete(Place(stage, shard).artifact(made.key(stage, ABNORMAL)))
    told = lineage(made.store, pair)
    assert pair_picture(made.store, told.items[0]) is None
    captions = [each.caption for each in way_pictures(made.store, told.items[0].made_from[0], told.reached)]
    assert [each for each in captions if "IT-DPR" in each] == []
    assert "artefact missing" in page(told, made.store)
    for name in ("radiographs", "lung_masks", "prealigned_radiographs"):
        made.store.delete(Place(name, shard).artifact(made.key(name, ABNORMAL)))
    assert "There is no picture of it in the store" in page(lineage(made.store, pair), made.store)


def test_the_pair_shows_both_sides_in_turns(made: MadeUp) -> None:
    told = lineage(made.store, made.pair_id(ABNORMAL, NORMAL))
    shown = pair_picture(made.store, told.items[0])
    assert shown is not None
    assert np.array(Image.open(io.BytesIO(shown.png))).std() > 10


def test_what_is_written_into_a_store_is_no_markup(made: MadeUp) -> None:
    item = Item("pair", "<script>", "failed", "<b>", {"artifact": "<i>"})
    text = page(Lineage("pair <script>", (Item("radiograph", "<u>"),), (item,), ""), made.store)
    assert not re.search("<(script|u|i)>", text)


def test_the_tree_names_keys_digests_settings_runs_and_states(made: MadeUp) -> None:
    told = lineage(made.store, made.pair_id(ABNORMAL, NORMAL))
    text = plain(told)
    for item in all_of(told):
        assert f"{item.kind} {item.name}" in text
        for name in ("artifact", "artifact_digest"):
            assert str(item.columns.get(name, "")) in text
        for name in ("run_id", "created_at"):
            assert str(item.manifest.get(name, "")) in text
    assert "settings size=32" in text
    # The models of both sides are told once.
    assert text.count(f"stages/lung_segmenter/made/artifacts/{made.key('lung_segmenter', 'model')[:2]}") == 1
    assert text.count("(as above)") > 1
    assert tree(told).label


def test_of_many_pairs_some_are_listed_and_the_rest_counted(made: MadeUp) -> None:
    pairs = tuple(Item("pair", f"{number:032x}") for number in range(SHOWN + 3))
    text = plain(Lineage("radiograph x", (Item("radiograph", "x"),), pairs, ""))
    assert f"{SHOWN + 3} x pair" in text
    assert "and 3 more; --format json has all" in text
    assert text.count("pair 0000") == SHOWN
    assert "reached nothing" in plain(Lineage("radiograph x", (Item("radiograph", "x"),), (), ""))


def test_as_json_it_is_the_same_answer(made: MadeUp) -> None:
    told = lineage(made.store, made.name(TESTED))
    record = json.loads(json.dumps(told.as_record()))
    assert record["asked"] == f"radiograph {made.name(TESTED)}"
    assert [item["name"] for item in record["reached"]] == [item.name for item in told.reached]
    item = record["items"][0]
    for _ in range(3):
        item = item["made_from"][0]
    assert item["kind"] == "radiograph"
    assert item["made_from"][0]["name"] == made.file(TESTED)


def test_a_patients_page_has_all_radiographs(tmp_path: Path, made: MadeUp) -> None:
    told = patient_lineage(made.store, [made.patient(TESTED)])
    assert f"abnormal {made.name(TESTED)[:12]}" in page(told, made.store)
