"""Settings model of every stage; importing it reads no cohort file."""

from pydantic import BaseModel

from assets.evaluation.settings import EvaluationSettings
from assets.pairing.settings import PairingSettings
from assets.peers.settings import PeerSettings
from assets.prealignment.settings import PrealignmentSettings, ReferenceSettings
from assets.radiographs.settings import RadiographSettings
from assets.registration.settings import RefinementSettings, RegistrationSettings
from assets.registration_report.settings import ReportSettings
from assets.scoring.settings import ScoringSettings
from assets.segmentation.settings import SegmentationSettings
from assets.segmenter.settings import SegmenterSettings
from assets.translation.settings import TranslationSettings

STAGE_SETTINGS: dict[str, type[BaseModel]] = {
    "radiographs": RadiographSettings,
    "lung_segmenter": SegmenterSettings,
    "lung_masks": SegmentationSettings,
    "reference_lung": ReferenceSettings,
    "prealigned_radiographs": PrealignmentSettings,
    "registration_model": RegistrationSettings,
    "registered_radiographs": RefinementSettings,
    "pseudo_pairs": PairingSettings,
    "translator": TranslationSettings,
    "anomaly_maps": ScoringSettings,
    "evaluation": EvaluationSettings,
    "registration_peers": PeerSettings,
    "registration_report": ReportSettings,
}
