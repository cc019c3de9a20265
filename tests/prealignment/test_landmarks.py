import pytest

from assets.peers.classical import affine_bspline
from tests.benchmarks.landmarks import cohort, evaluate, methods, reference_index


def test_it_pr_brings_100_subjects_within_the_bar() -> None:
    phantoms = cohort(101)
    index = reference_index(phantoms)
    moving = [phantom for at, phantom in enumerate(phantoms) if at != index]
    align = methods(phantoms[index])
    unregistered, aligned = (
        evaluate(phantoms[index], moving, align[name]) for name in ("unregistered", "it_pr_rows_tilt")
    )
    assert unregistered.errors.shape == (100, 40)
    assert unregistered.errors.mean() >= 12
    assert aligned.errors.mean() <= 2.4
    assert aligned.folded == 0


@pytest.mark.slow
def test_it_pr_is_near_intensity_registration() -> None:
    phantoms = cohort(25)
    index = reference_index(phantoms)
    reference, moving = phantoms[index], [phantom for at, phantom in enumerate(phantoms) if at != index][:12]
    peer = evaluate(reference, moving, lambda phantom: affine_bspline(reference.image, phantom.image))
    aligned = evaluate(reference, moving, methods(reference)["it_pr_rows_tilt"])
    assert aligned.errors.mean() < peer.errors.mean() + 1.5
    assert aligned.milliseconds < peer.milliseconds / 10
