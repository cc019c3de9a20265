from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from assets.segmenter.settings import SegmenterSettings
from assets.segmenter.training import fit
from tests.benchmarks.segmentation_training import Job, bare_code, train, trained

SETTINGS = SegmenterSettings(channels=[2, 4], residual_units=0, steps=2, batch_size=1)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    images = np.random.default_rng(0).random((2, 32, 32), np.float32)
    lungs = np.zeros((2, 32, 32), np.uint8)
    lungs[:, 8:24, 4:12], lungs[:, 8:24, 20:28] = 1, 2
    return Job("tiny", images, lungs, SETTINGS, str(tmp_path))


def test_the_key_names_settings_and_data_and_nothing_else(job: Job) -> None:
    others = [
        replace(job, settings=SETTINGS.model_copy(update={"opacity_probability": 0.0})),
        replace(job, images=job.images + np.float32(1e-6)),
        replace(job, lungs=np.zeros_like(job.lungs)),
    ]
    assert len({made.key for made in [job, *others]}) == 4
    assert replace(job, name="another", home="elsewhere").key == job.key


def test_words_about_the_code_are_no_part_of_it_and_numbers_are() -> None:
    code = "def f(x):\n    return x + 1\n"
    told = '"""A module."""\n\n\ndef f(x):\n    """Add one."""\n    return x + 1  # one\n'
    assert bare_code(code) == bare_code(told)
    assert bare_code(code) != bare_code(code.replace("1", "2"))


def test_weights_are_those_of_the_training_and_kept_for_the_next_run(job: Job) -> None:
    train(job)
    found = trained([job])["tiny"]
    expected = fit(job.images, job.lungs, SETTINGS, SETTINGS.seed).state
    assert found.kept
    assert found.resumed_at == 0
    assert found.state.keys() == expected.keys()
    assert all(torch.equal(found.state[name], expected[name]) for name in expected)
    assert not list(Path(job.home).glob("checkpoints/*"))
