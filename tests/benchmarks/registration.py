"""IT-PR, IT-DPR and every peer on the same phantom pairs: ``python -m tests.benchmarks.registration``.

Fits IT-DPR, VoxelMorph and SynthMorph on the training subjects of a phantom cohort, registers test subjects that were
never trained on to the training normals' medoid by every arm, prints what each came to, then what damaged masks cost
IT-PR and IT-DPR, and ends with one line of JSON: arm -> figures. Progress goes to standard error.
"""

import argparse
import json
from pathlib import Path

from assets.peers.settings import PeerSettings
from assets.registration.settings import RegistrationSettings
from tests.benchmarks.registration_damage import losses
from tests.benchmarks.registration_data import cohort
from tests.benchmarks.registration_measures import evaluate, segmentation_ms
from tests.benchmarks.registration_models import Plan, fitted, methods_of
from tests.benchmarks.registration_tables import as_json, print_arms, print_losses


def main() -> None:
    """Fit, measure, print."""
    given = _arguments()
    data = cohort(given.train, given.test, given.seed)
    plan = Plan(
        RegistrationSettings.model_validate(_steps(given.steps)),
        PeerSettings.model_validate(_steps(given.peer_steps)),
        given.models,
    )
    bundle = fitted(data, f"phantoms 0-{given.train - 1} of seed {given.seed}", plan)
    figures = evaluate(bundle, data.test)
    print(
        f"phantoms of seed {given.seed}: trained on {given.train}, tested on {given.test} others of 256 x 256, "
        f"reference is subject {data.reference}"
    )
    print_arms(figures, len(data.test))
    print(f"\nlung masks are given above; a U-Net's takes {segmentation_ms(data.test):.1f} ms an image, one thread")
    print_losses(losses(methods_of(bundle), data.test, given.seed))
    print(json.dumps(as_json(figures)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=int, default=400, help="training subjects (default 400)")
    parser.add_argument("--test", type=int, default=40, help="test subjects, the next of the cohort (default 40)")
    parser.add_argument("--steps", type=int, help="steps of IT-DPR's training; its setting by default")
    parser.add_argument("--peer-steps", type=int, help="steps of either peer's training; its setting by default")
    parser.add_argument("--seed", type=int, default=0, help="seed of the phantom cohort (default 0)")
    parser.add_argument("--models", type=Path, help="folder that keeps networks; those that lie there are not fitted")
    return parser.parse_args()


def _steps(steps: int | None) -> dict[str, int]:
    return {} if steps is None else {"steps": steps}


if __name__ == "__main__":
    main()
