"""A small classifier of normal and abnormal radiographs that no translator is trained against: a judge."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from assets.evaluation.roc import auc
from assets.translation.kid import kid, kid_floor
from assets.translation.panel import Imaged, Panel, Translations
from assets.translation.sampling import Batch, augmented, batch_indices, generator_for

F64 = npt.NDArray[np.float64]

MOST_IMAGES = 512
"""Training images of each domain that it looks at, at most."""

_SEED = 9177
_SIDE = 64
_CHANNELS = (16, 32, 64, 64)
_GROUPS = 8
STEPS = 200
_BATCH = 16
_RATE = 3e-3
_DECAY = 1e-2
_SHIFT, _GAIN = 0.06, 0.1
_CHUNK = 64


class Classifier(nn.Module):
    """Four blocks of convolution, group norm and pooling; mean and maximum of the last maps; one logit.

    Images are averaged down to 64 pixels a side first, so its cost does not depend on theirs.
    """

    def __init__(self) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        for before, after in zip((1, *_CHANNELS), _CHANNELS, strict=False):
            blocks += [nn.Conv2d(before, after, 3, padding=1), nn.GroupNorm(_GROUPS, after), nn.ReLU(), nn.MaxPool2d(2)]
        self.body = nn.Sequential(*blocks[:-1])
        self.head = nn.Linear(2 * _CHANNELS[-1], 1)

    def features(self, images: Tensor) -> Tensor:
        """What the last layer reads of images (N, 1, S, S) in [-1, 1]: (N, 128)."""
        small = nn.functional.adaptive_avg_pool2d(images, min(_SIDE, images.shape[-1]))
        maps: Tensor = self.body(small)
        return torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], dim=1)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N,) of being abnormal."""
        logits: Tensor = self.head(self.features(images))[:, 0]
        return logits


def fit_classifier(
    abnormal: Imaged, normal: Imaged, device: torch.device | None = None, steps: int = STEPS
) -> Classifier:
    """Train a judge; the same images give the same one bit for bit on a machine with as many threads.

    Args:
        abnormal: training images, in the frame of the translators that are to be judged.
        normal: likewise.
        device: where to train; the CPU by default. The classifier stays there.
        steps: of 8 images of each domain.

    Raises:
        ValueError: a domain is empty.
    """
    if not len(abnormal) or not len(normal):
        raise ValueError(f"needs images of both domains, got {len(abnormal)} abnormal and {len(normal)} normal ones")
    where = device or torch.device("cpu")
    network = _initial(generator_for(_SEED, "classifier", 0)).to(where).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=steps)
    answers = torch.repeat_interleave(torch.tensor([1.0, 0.0]), _BATCH // 2).to(where)
    for step in range(steps):
        logits = network(_batch(abnormal, normal, step).to(where))
        loss = nn.functional.binary_cross_entropy_with_logits(logits, answers)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return network.eval()


def judged(judge: Classifier, panel: Panel, found: Translations) -> dict[str, float]:
    """What a classifier says of translations; absent is what its images do not define.

    Returns:
        classifier_drop: mean P(abnormal | x) - P(abnormal | G(x)) of abnormal images.
        classifier_auc: of P(abnormal | x) on the panel itself: what the judge is worth.
        kid: of translations of abnormal images against normal ones, on the judge's features.
        kid_floor: what `kid` exceeds in about 5 % of cases where these two do not differ.
    """
    result: dict[str, float] = {}
    before = probabilities(judge, panel.abnormal.images)
    normal = probabilities(judge, panel.normal.images)
    if len(before):
        result["classifier_drop"] = float((before - probabilities(judge, found.abnormal)).mean())
    if len(before) and len(normal):
        labels = np.repeat([True, False], [len(before), len(normal)])
        result["classifier_auc"] = auc(np.concatenate([before, normal]), labels).area
    real, made = (_of_one_size(features(judge, images)) for images in (panel.normal.images, found.abnormal))
    distances = {"kid": kid(made, real), "kid_floor": kid_floor(made, real)}
    return result | {name: value for name, value in distances.items() if value is not None}


def probabilities(judge: Classifier, images: Tensor) -> F64:
    """P(abnormal) of images (N, 1, S, S): (N,)."""
    logits = judge.head(torch.from_numpy(features(judge, images)).float().to(_device(judge)))[:, 0]
    return np.asarray(torch.sigmoid(logits).detach().double().cpu().numpy(), dtype=np.float64)


@torch.inference_mode()
def features(judge: Classifier, images: Tensor) -> F64:
    """Features (N, D) of images (N, 1, S, S)."""
    where = _device(judge)
    parts = [judge.features(chunk.to(where)).double().cpu() for chunk in torch.split(images, _CHUNK) if len(chunk)]
    found = torch.cat(parts) if parts else torch.empty(0, 2 * _CHANNELS[-1], dtype=torch.float64)
    return np.asarray(found.numpy(), dtype=np.float64)


def _of_one_size(values: F64) -> F64:
    """Features scaled to a mean square of 1 each, which keeps the cubic kernel between judges in one range."""
    scaled: F64 = values / np.sqrt(np.square(values).mean(axis=1, keepdims=True) + 1e-12)
    return scaled


def _device(judge: Classifier) -> torch.device:
    return next(judge.parameters()).device


def _initial(generator: torch.Generator) -> Classifier:
    """Weights by He et al. 2015, arXiv:1502.01852; torch's global random state is neither read nor advanced."""
    with torch.device("meta"):
        network = Classifier()
    network.to_empty(device="cpu")
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
        if isinstance(module, nn.GroupNorm):
            nn.init.ones_(module.weight)
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
    return network


def _batch(abnormal: Imaged, normal: Imaged, step: int) -> Tensor:
    batches = [
        Batch(imaged.images, imaged.masks > 0).rows(batch_indices(len(imaged), _BATCH // 2, step, _SEED, name))
        for imaged, name in ((abnormal, "abnormal"), (normal, "normal"))
    ]
    moved = augmented(batches[0], batches[1], _SHIFT, _GAIN, generator_for(_SEED, "classifier step", step))
    return torch.cat([batch.images for batch in moved])
