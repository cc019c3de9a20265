import numpy as np
import torch

from assets.peers.stored import PEERS, weights_in, weights_of
from assets.registration.training import Fitted


def test_both_peers_weights_share_an_artefact_and_come_apart_again() -> None:
    states = {peer: {"velocity.bias": torch.full((2,), float(number))} for number, peer in enumerate(PEERS)}
    arrays = {"history.voxelmorph": np.zeros((3, 2), np.float32)}
    for peer in PEERS:
        arrays |= weights_in(Fitted(states[peer], []), peer)
    for peer in PEERS:
        found = weights_of(arrays, peer)
        assert list(found) == ["velocity.bias"]
        np.testing.assert_array_equal(found["velocity.bias"], states[peer]["velocity.bias"].numpy())
