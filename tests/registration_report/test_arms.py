import numpy as np
import numpy.typing as npt
import pytest
import torch

from assets.peers import optional
from assets.peers.case import Case
from assets.peers.settings import PeerSettings
from assets.peers.training import build_peer
from assets.prealignment.lung_coordinates import prealign, reference_frame
from assets.prealignment.settings import PrealignmentSettings
from assets.radiographs.phantom.cohort import phantom_subject
from assets.radiographs.phantom.settings import PhantomSettings
from assets.registration.inference import refine, refiner, registered_displacement
from assets.registration.network import build_network
from assets.registration.settings import RegistrationSettings
from assets.registration_report.arms import (
    ARM_NAMES,
    Methods,
    TrainedPeer,
    arms,
    chosen,
    inverses,
    trained_peer,
)
from assets.registration_report.measures import inverse_consistency

SIZE = 64
PEER = PeerSettings(encoder_features=[4, 8], decoder_features=[8, 4])
REGISTRATION = RegistrationSettings(encoder_features=[4, 8], decoder_features=[8, 4])


def case(index: int) -> Case:
    phantom = phantom_subject(index, 5, PhantomSettings(size=SIZE, subjects=4))
    return Case(phantom.image, phantom.lungs)


@pytest.fixture(scope="module")
def methods() -> Methods:
    reference = case(0)
    peer = build_peer(PEER, torch.Generator().manual_seed(0)).eval()
    network = build_network(REGISTRATION, torch.Generator().manual_seed(0))
    ready = refiner(dict(network.state_dict()), REGISTRATION, reference.image, reference.lungs)
    learned = TrainedPeer(peer, PEER)
    frame = reference_frame(reference.lungs, PrealignmentSettings())
    return Methods(reference, frame, lambda: ready, {"voxelmorph": learned, "synthmorph": learned})


def test_arms_come_in_the_order_of_the_report_with_it_dpr_last(methods: Methods) -> None:
    found = list(arms(methods))
    assert found == [name for name in ARM_NAMES if name in found]
    assert (found[0], found[-1]) == ("none", "it_dpr")
    assert set(ARM_NAMES) - set(found) == {"syn", "elastix"} - optional.installed()


def test_what_was_not_trained_is_no_arm(methods: Methods) -> None:
    assert not {"it_dpr", "voxelmorph", "synthmorph"} & set(arms(Methods(methods.reference, methods.frame)))


def test_arms_can_be_chosen_but_only_those_that_can_be_run(methods: Methods) -> None:
    ways = arms(Methods(methods.reference, methods.frame))
    assert list(chosen(ways, ["it_pr", "none"])) == ["none", "it_pr"]
    assert list(chosen(ways, [])) == list(ways)
    with pytest.raises(ValueError, match="it_dpr cannot be run here; there are: none, lung_box"):
        chosen(ways, ["none", "it_dpr"])


def test_optional_peers_are_arms_where_they_are_installed(methods: Methods, monkeypatch: pytest.MonkeyPatch) -> None:
    def found_in(fixed: npt.NDArray[np.float32], moving: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return np.stack([fixed, moving])

    monkeypatch.setattr(optional, "installed", lambda: frozenset({"syn"}))
    monkeypatch.setattr(optional, "syn", found_in)
    ways, moving = arms(methods), case(1)
    assert "elastix" not in ways
    # fixed is the reference, moving the radiograph
    np.testing.assert_array_equal(ways["syn"](moving), np.stack([methods.reference.image, moving.image]))


@pytest.mark.parametrize("name", ["none", "lung_box", "affine", "voxelmorph", "synthmorph", "it_pr", "it_dpr"])
def test_an_arm_answers_on_the_reference_grid(methods: Methods, name: str) -> None:
    way = {str(arm): align for arm, align in arms(methods).items()}[name]
    displacement = way(case(1))
    assert displacement.shape == (2, SIZE, SIZE)
    assert displacement.dtype == np.float32
    assert np.isfinite(displacement).all()


def test_it_dpr_begins_with_it_pr(methods: Methods) -> None:
    moving = case(3)
    assert methods.refiner is not None
    first = prealign(methods.frame, moving.lungs, methods.frame.settings)
    velocity = refine(methods.refiner(), moving.image, moving.lungs, first)
    expected = registered_displacement(velocity, first, REGISTRATION)
    np.testing.assert_array_equal(arms(methods)["it_dpr"](moving), expected)


def test_an_arms_own_inverse_leads_back(methods: Methods) -> None:
    moving, inside = case(1), methods.reference.lungs > 0
    ways, backs = arms(methods), inverses(methods)
    assert set(backs) <= set(ways)
    for name, back in backs.items():
        mean, largest = inverse_consistency(ways[name](moving), back(moving), inside)
        assert mean < 0.05, name
        assert largest < 0.5, name


def test_a_peer_of_another_architecture_is_refused() -> None:
    weights = {name: value.numpy() for name, value in build_peer(PEER, torch.Generator()).state_dict().items()}
    assert trained_peer(weights, PEER).settings == PEER
    with pytest.raises(ValueError, match="fit it anew"):
        trained_peer(weights, PEER.model_copy(update={"encoder_features": [4, 6]}))
