import pytest
import torch

from assets.translation.discriminators import PatchDiscriminator
from assets.translation.generators import initialized


def test_fingerprint_of_the_published_discriminator() -> None:
    # 4x4 kernels with bias: 16*64+64, 16*64*128+128, 16*128*256+256, 16*256*512+512, 16*512+1.
    with torch.device("meta"):
        judge = PatchDiscriminator(64, 3)
    assert sum(parameter.numel() for parameter in judge.parameters()) == 2_762_689


def test_three_layers_judge_thirty_by_thirty_patches_of_a_full_size_image() -> None:
    judge = initialized(lambda: PatchDiscriminator(1, 3), torch.Generator())
    assert judge(torch.zeros(1, 1, 256, 256)).shape == (1, 1, 30, 30)


# Receptive field from the last layer back, r <- 4 + stride (r - 1): 1, 4, 7 and then one stride-2 layer at a time.
@pytest.mark.parametrize(("layers", "patch"), [(1, 16), (2, 34), (3, 70)])
def test_each_logit_judges_one_patch(layers: int, patch: int) -> None:
    judge = initialized(lambda: PatchDiscriminator(4, layers), torch.Generator().manual_seed(0)).double()
    for layer in judge.body:
        # Instance norm looks at the whole image; without it the reach of the convolutions is left.
        if isinstance(layer, torch.nn.InstanceNorm2d):
            layer.forward = lambda input: input  # type: ignore[method-assign]
    x = torch.randn((1, 1, 128, 128), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    x.requires_grad_()
    logits = judge(x)
    center = logits.shape[-1] // 2
    (gradient,) = torch.autograd.grad(logits[0, 0, center, center], x)
    rows = gradient[0, 0].abs().sum(1).nonzero()
    assert int(rows.max() - rows.min()) + 1 == patch


def test_logits_are_not_squashed() -> None:
    judge = initialized(lambda: PatchDiscriminator(4, 1), torch.Generator().manual_seed(0))
    last = judge.body[-1]
    assert isinstance(last, torch.nn.Conv2d)
    assert last.bias is not None
    with torch.no_grad():
        last.bias.fill_(7.0)
    assert judge(torch.zeros(1, 1, 32, 32)).max() > 1
