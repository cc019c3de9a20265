"""Settings model of every stage; importing it reads no cohort file."""

from pydantic import BaseModel

from assets.evaluation.settings import EvaluationSettings
from assets.image_scores.settings import ImageScoreSettings
from assets.leaks.settings import LeakSettings
from assets.localisation.settings import LocalisationSettings
from assets.localisation_summary.settings import SummarySettings
from assets.normal_maps.settings import NormalMapsSettings
from assets.pairing.settings import PairingSettings
from assets.peer_registered.settings import PeerFrameSettings
from assets.peers.settings import PeerSettings
from assets.prealignment.settings import PrealignmentSettings, ReferenceSettings
from assets.radiographs.settings import RadiographSettings
from assets.registration.settings import RefinementSettings, RegistrationSettings
from assets.registration_report.settings import ReportSettings
from assets.scoring.settings import ScoringSettings
from assets.segmentation.settings import SegmentationSettings
from assets.segmenter.settings import SegmenterSettings
from assets.shortcuts.settings import ShortcutSettings
from assets.translation.settings import TranslationSettings

STAGE_SETTINGS: dict[str, type[BaseModel]] = {
    "radiographs": RadiographSettings,
    "lung_segmenter": SegmenterSettings,
    "lung_masks": SegmentationSettings,
    "reference_lung": ReferenceSettings,
    "prealigned_radiographs": PrealignmentSettings,
    "registration_model": RegistrationSettings,
    "registered_radiographs": RefinementSettings,
    "registration_peers": PeerSettings,
    "peer_registered": PeerFrameSettings,
    "pseudo_pairs": PairingSettings,
    "translator": TranslationSettings,
    "normal_maps": NormalMapsSettings,
    "anomaly_maps": ScoringSettings,
    "localisation": LocalisationSettings,
    "shortcut_audit": ShortcutSettings,
    "evaluation": EvaluationSettings,
    "localisation_summary": SummarySettings,
    "image_scores": ImageScoreSettings,
    "leak_control": LeakSettings,
    "registration_report": ReportSettings,
}
