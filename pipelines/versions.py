"""Algorithm versions of the stages; raising one recomputes the stage and what depends on it."""

from assets.evaluation.asset import VERSION as EVALUATION
from assets.image_scores.asset import VERSION as IMAGE_SCORES
from assets.leaks.asset import VERSION as LEAKS
from assets.localisation.asset import VERSION as LOCALISATION
from assets.localisation_summary.asset import VERSION as LOCALISATION_SUMMARY
from assets.normal_maps.asset import VERSION as NORMAL_MAPS
from assets.pairing.asset import VERSION as PAIRING
from assets.peer_registered.asset import VERSION as PEER_REGISTERED
from assets.peers.asset import VERSION as PEERS
from assets.prealignment.asset import PREALIGNMENT_VERSION, REFERENCE_VERSION
from assets.radiographs.asset import VERSION as RADIOGRAPHS
from assets.registration.asset import MODEL_VERSION, REGISTRATION_VERSION
from assets.registration_report.asset import VERSION as REGISTRATION_REPORT
from assets.scoring.asset import VERSION as SCORING
from assets.segmentation.asset import VERSION as SEGMENTATION
from assets.segmenter.asset import VERSION as SEGMENTER
from assets.shortcuts.asset import VERSION as SHORTCUTS
from assets.translation.asset import VERSION as TRANSLATION

VERSIONS = {
    "radiographs": RADIOGRAPHS,
    "lung_segmenter": SEGMENTER,
    "lung_masks": SEGMENTATION,
    "reference_lung": REFERENCE_VERSION,
    "prealigned_radiographs": PREALIGNMENT_VERSION,
    "registration_model": MODEL_VERSION,
    "registered_radiographs": REGISTRATION_VERSION,
    "registration_peers": PEERS,
    "peer_registered": PEER_REGISTERED,
    "pseudo_pairs": PAIRING,
    "translator": TRANSLATION,
    "normal_maps": NORMAL_MAPS,
    "anomaly_maps": SCORING,
    "localisation": LOCALISATION,
    "shortcut_audit": SHORTCUTS,
    "evaluation": EVALUATION,
    "localisation_summary": LOCALISATION_SUMMARY,
    "image_scores": IMAGE_SCORES,
    "leak_control": LEAKS,
    "registration_report": REGISTRATION_REPORT,
}
