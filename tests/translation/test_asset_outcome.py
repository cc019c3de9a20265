import math
from dataclasses import replace

import numpy as np
import torch

from assets.translation.asset_outcome import outcome, spoken
from assets.translation.ending import Stopped
from assets.translation.stored import BACK, records_of, weights_of
from assets.translation.training import Trained
from assets.translation.watch import VALIDATION_AUC


def trained(aucs: list[float], stopped: Stopped = "steps") -> Trained:
    checks = [{"step": float(step), VALIDATION_AUC: auc, "kid": step / 8} for step, auc in enumerate(aucs)]
    history = [{"step": 1.0, "nce": 0.5}, {"step": 2.0, "nce": 0.25}]
    return Trained({"w": torch.ones(2)}, history, checks, 2, stopped, 3.0, 4.0, 0.5)


def test_artefact_holds_weights_history_and_checks() -> None:
    found = outcome(trained([0.5, 0.75]), {"settings": "{}"}, best=False)
    assert found.arrays is not None
    assert torch.equal(weights_of(found.arrays)["w"], torch.ones(2))
    columns = found.columns
    assert records_of(columns["history_columns"], found.arrays["history"]) == trained([]).history
    assert records_of(columns["checks_columns"], found.arrays["checks"]) == trained([0.5, 0.75]).checks
    assert (columns["settings"], columns["steps"], columns["stopped"]) == ("{}", 2, None)
    assert outcome(trained([], "early stop"), {}, best=True).columns["stopped"] == "early stop"


def test_row_holds_the_measurement_of_the_weights_that_are_kept() -> None:
    def kept(aucs: list[float], *, best: bool) -> object:
        return outcome(trained(aucs), {}, best=best).columns.get("kid")

    assert kept([0.5, 0.9, 0.6], best=True) == 1 / 8
    assert kept([0.5, 0.9, 0.6], best=False) == 2 / 8
    # Without a finite AUC there is no best, and the newest weights are kept.
    assert kept([math.nan, math.nan], best=True) == 1 / 8
    assert kept([], best=True) is None


def test_the_way_back_is_kept_where_a_method_has_one() -> None:
    one_way = outcome(trained([]), {}, best=False).arrays
    both = outcome(replace(trained([]), back={"w": torch.zeros(2)}), {}, best=False).arrays
    assert one_way is not None
    assert both is not None
    assert weights_of(one_way, BACK) == {}
    assert torch.equal(weights_of(both, BACK)["w"], torch.zeros(2))
    assert torch.equal(weights_of(both)["w"], torch.ones(2))


def test_no_measurement_makes_an_empty_table() -> None:
    found = outcome(trained([]), {}, best=False)
    assert found.arrays is not None
    assert found.columns["checks_columns"] == []
    assert found.arrays["checks"].shape == (0, 0)
    assert np.isfinite(found.arrays["history"]).all()


def test_the_last_line_says_what_it_took() -> None:
    line = spoken("none/cut seed 0", trained([], "time budget"))
    assert (
        line == "none/cut seed 0: ended after 2 steps (time budget), 3.0 s, 4.0 images a second, 0.5 s without a batch"
    )
