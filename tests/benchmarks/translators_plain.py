"""CycleGAN's and CUT's step as their published code computes it: the peer of the benchmark.

One module a layer, one forward pass an image and purpose, NCHW, float32, torch's defaults throughout. It shares no code
with `assets.translation`. Weights lie in the order of the layers, so that either side's can be put into the other.
"""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

RATE, BETAS = 2e-4, (0.5, 0.999)
CYCLE, IDENTITY = 10.0, 0.5
TEMPERATURE = 0.07


class Block(nn.Module):
    """Residual block: nothing is rectified after the sum."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReflectionPad2d(1), *_convolved(channels, channels, 3), nn.ReflectionPad2d(1),
            *_convolved(channels, channels, 3)[:-1],
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        changed: Tensor = x + self.layers(x)
        return changed


class BlurDown(nn.Module):
    """Binomial filter [1, 2, 1] in both directions at every other pixel, borders reflected."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        line = torch.tensor([0.25, 0.5, 0.25])
        self.register_buffer("kernel", torch.outer(line, line).expand(channels, 1, 3, 3).contiguous())

    def forward(self, x: Tensor) -> Tensor:
        padded = functional.pad(x, (1, 1, 1, 1), mode="reflect")
        return functional.conv2d(padded, self.get_buffer("kernel"), stride=2, groups=x.shape[1])


class BlurUp(nn.Module):
    """Doubling by a transposed convolution with [1, 3, 3, 1] in both directions, borders repeated."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        line = torch.tensor([0.25, 0.75, 0.75, 0.25])
        self.register_buffer("kernel", torch.outer(line, line).expand(channels, 1, 4, 4).contiguous())

    def forward(self, x: Tensor) -> Tensor:
        padded = functional.pad(x, (1, 1, 1, 1), mode="replicate")
        kernel = self.get_buffer("kernel")
        doubled = functional.conv_transpose2d(padded, kernel, stride=2, padding=2, groups=x.shape[1])
        return doubled[:, :, 1:-1, 1:-1]


class Generator(nn.Module):
    """ResNet of one layer after the other; CUT's published code blurs where it changes the scale, CycleGAN's does not.

    Args:
        width: channels of the first convolution.
        blocks: residual blocks.
        blurred: CUT's way.
    """

    def __init__(self, width: int, blocks: int, *, blurred: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.ReflectionPad2d(3), *_convolved(1, width, 7)]
        for channels in (width, 2 * width):
            layers += _convolved(channels, 2 * channels, 3, stride=1 if blurred else 2, padding=1)
            layers += [BlurDown(2 * channels)] if blurred else []
        layers += [Block(4 * width) for _ in range(blocks)]
        for channels in (4 * width, 2 * width):
            half = channels // 2
            if blurred:
                layers += [BlurUp(channels), *_convolved(channels, half, 3, padding=1)]
            else:
                doubled = nn.ConvTranspose2d(channels, half, 3, stride=2, padding=1, output_padding=1)
                layers += [doubled, nn.InstanceNorm2d(half), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(width, 1, 7), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        translated: Tensor = self.layers(x)
        return translated

    def encode(self, x: Tensor, taps: Sequence[int]) -> list[Tensor]:
        """Outputs of the layers with these numbers, in their order; nothing behind the last is computed."""
        found = []
        for number, layer in enumerate(self.layers):
            x = layer(x)
            if number in taps:
                found.append(x)
            if number == taps[-1]:
                break
        return found


class Discriminator(nn.Sequential):
    """PatchGAN of 4x4 convolutions: three of stride 2, two of stride 1."""

    def __init__(self, width: int, layers: int = 3) -> None:
        channels = [width * min(2**depth, 8) for depth in range(layers + 1)]
        body: list[nn.Module] = [nn.Conv2d(1, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2, inplace=True)]
        for depth, (before, after) in enumerate(itertools.pairwise(channels), start=1):
            body += [nn.Conv2d(before, after, 4, stride=2 if depth < layers else 1, padding=1)]
            body += [nn.InstanceNorm2d(after), nn.LeakyReLU(0.2, inplace=True)]
        super().__init__(*body, nn.Conv2d(channels[-1], 1, 4, padding=1))


class PatchMlp(nn.Module):
    """CUT's projector: vectors of sampled positions, two linear layers a feature map, unit length."""

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(count, width), nn.ReLU(), nn.Linear(width, width)) for count in channels
        )

    def forward(self, maps: Sequence[Tensor], positions: Sequence[Tensor]) -> list[Tensor]:
        projected = []
        for head, values, chosen in zip(self.heads, maps, positions, strict=True):
            # Sampled in this order, the gradient comes back as N, C, H, W: when it lies as N, H, W, C, torch 2.13's
            # instance norm on the CPU passes on a wrong one for a batch of one.
            vectors = head(values.flatten(2)[:, :, chosen].transpose(1, 2).flatten(0, 1))
            projected.append(vectors / (vectors.pow(2).sum(1, keepdim=True).sqrt() + 1e-7))
        return projected


class Pool:
    """Past fakes: kept until there are `capacity`, then with probability 1/2 swapped for the new one."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.kept: list[Tensor] = []

    def query(self, images: Tensor, generator: torch.Generator) -> Tensor:
        shown = []
        for image in images.detach().chunk(len(images)):
            if len(self.kept) < self.capacity:
                self.kept.append(image)
                shown.append(image)
            elif torch.rand((), generator=generator) < 0.5:
                shown.append(image)
            else:
                place = int(torch.randint(self.capacity, (), generator=generator))
                shown.append(self.kept[place].clone())
                self.kept[place] = image
        return torch.cat(shown)


class PlainCycleGan:
    """Forward passes of both cycles, both generators' update, then both discriminators'."""

    def __init__(self, width: int, blocks: int, judge_width: int, *, layers: int = 3, pool: int = 50) -> None:
        self.to_b, self.to_a = (Generator(width, blocks, blurred=False) for _ in range(2))
        self.judge_b, self.judge_a = (Discriminator(judge_width, layers) for _ in range(2))
        self.pool_b, self.pool_a = Pool(pool), Pool(pool)
        self.generators = _adam(self.to_b, self.to_a)
        self.discriminators = _adam(self.judge_b, self.judge_a)

    def step(self, a: Tensor, b: Tensor, generator: torch.Generator) -> dict[str, float]:
        """One update of everything; (N, 1, S, S) of both domains, and where the pools' decisions come from."""
        fake_b = self.to_b(a)
        again_a = self.to_a(fake_b)
        fake_a = self.to_a(b)
        again_b = self.to_b(fake_a)
        judges = [self.judge_b, self.judge_a]
        _learn(judges, on=False)
        self.generators.zero_grad()
        same_b, same_a = self.to_b(b), self.to_a(a)
        losses = {
            "to_normal_adversarial": functional.mse_loss(*_target(self.judge_b(fake_b), 1.0)),
            "to_abnormal_adversarial": functional.mse_loss(*_target(self.judge_a(fake_a), 1.0)),
            "to_normal_cycle": functional.l1_loss(again_a, a),
            "to_abnormal_cycle": functional.l1_loss(again_b, b),
            "to_normal_identity": functional.l1_loss(same_b, b),
            "to_abnormal_identity": functional.l1_loss(same_a, a),
        }
        weights = {"adversarial": 1.0, "cycle": CYCLE, "identity": CYCLE * IDENTITY}
        terms = [weights[name.rpartition("_")[2]] * loss for name, loss in losses.items()]
        torch.autograd.backward(torch.stack(terms).sum())
        self.generators.step()
        _learn(judges, on=True)
        self.discriminators.zero_grad()
        losses["judge_normal"] = _judge(self.judge_b, b, self.pool_b.query(fake_b, generator))
        losses["judge_abnormal"] = _judge(self.judge_a, a, self.pool_a.query(fake_a, generator))
        self.discriminators.step()
        return {name: loss.item() for name, loss in losses.items()}


class PlainCut:
    """Discriminator first, then generator and projector; every feature map by an encoder pass of its own."""

    # Padded input, both convolutions that change the channels, first and fifth residual block.
    TAPS = (0, 4, 8, 12, 16)

    def __init__(
        self, width: int, blocks: int, judge_width: int, *, patches: int, dimensions: int, layers: int = 3
    ) -> None:
        self.to_b = Generator(width, blocks, blurred=True)
        self.judge_b = Discriminator(judge_width, layers)
        self.projector = PatchMlp([1, 2 * width, 4 * width, 4 * width, 4 * width], dimensions)
        self.patches = patches
        self.generator, self.discriminator = _adam(self.to_b), _adam(self.judge_b)
        self.mlp = _adam(self.projector)

    def step(self, a: Tensor, b: Tensor, seed: int) -> dict[str, float]:
        """One update of everything; (N, 1, S, S) of both domains, and the seed of the positions of either contrast."""
        fake = self.to_b(torch.cat([a, b]))
        fake_b, same_b = fake[: len(a)], fake[len(a) :]
        _learn([self.judge_b], on=True)
        self.discriminator.zero_grad()
        judged = _judge(self.judge_b, b, fake_b)
        self.discriminator.step()
        _learn([self.judge_b], on=False)
        self.generator.zero_grad()
        self.mlp.zero_grad()
        adversarial = functional.mse_loss(*_target(self.judge_b(fake_b), 1.0))
        nce = (self._contrast(a, fake_b, seed) + self._contrast(b, same_b, seed)) / 2
        torch.autograd.backward(adversarial + nce)
        self.generator.step()
        self.mlp.step()
        return {"adversarial": adversarial.item(), "nce": nce.item(), "judge_normal": judged.item()}

    def _contrast(self, source: Tensor, translated: Tensor, seed: int) -> Tensor:
        queries = self.to_b.encode(translated, self.TAPS)
        keys = self.to_b.encode(source, self.TAPS)
        generator = torch.Generator().manual_seed(seed)
        positions = [torch.randperm(key[0, 0].numel(), generator=generator)[: self.patches] for key in keys]
        pairs = zip(self.projector(queries, positions), self.projector(keys, positions), strict=True)
        terms = [patch_nce(query, key.detach(), len(source)) for query, key in pairs]
        return torch.stack(terms).mean()


def patch_nce(query: Tensor, key: Tensor, images: int) -> Tensor:
    """Cross entropy of each patch's own key against the others of its image, (images * S, C) unit vectors each."""
    positive = (query * key).sum(1, keepdim=True)
    width = query.shape[1]
    negative = torch.bmm(query.view(images, -1, width), key.view(images, -1, width).transpose(1, 2))
    own = torch.eye(negative.shape[1], dtype=torch.bool)
    logits = torch.cat([positive, negative.masked_fill(own, -10.0).flatten(0, 1)], dim=1) / TEMPERATURE
    return functional.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long))


def _judge(judge: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    on_real = functional.mse_loss(*_target(judge(real), 1.0))
    on_fake = functional.mse_loss(*_target(judge(fake.detach()), 0.0))
    loss = (on_real + on_fake) * 0.5
    torch.autograd.backward(loss)
    return loss.detach()


def _target(logits: Tensor, value: float) -> tuple[Tensor, Tensor]:
    return logits, torch.full_like(logits, value)


def _learn(networks: Sequence[nn.Module], *, on: bool) -> None:
    for network in networks:
        network.requires_grad_(on)


def _adam(*networks: nn.Module) -> torch.optim.Adam:
    return torch.optim.Adam(itertools.chain(*(network.parameters() for network in networks)), lr=RATE, betas=BETAS)


def _convolved(before: int, after: int, kernel: int, *, stride: int = 1, padding: int = 0) -> list[nn.Module]:
    convolution = nn.Conv2d(before, after, kernel, stride=stride, padding=padding)
    return [convolution, nn.InstanceNorm2d(after), nn.ReLU(inplace=True)]
