"""Makes test/golden/classifier.safetensors: a small residual network and one pass of its training.

    pip install torch safetensors
    python3 scripts/make-golden-classifier.py

Names are torchvision's. Everything is computed in float32 on one thread.
"""

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

HIDDEN = (4, 8)
DEPTHS = (2, 1)
SIDE = 32
LABELS = 3
BATCH = 4


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        inner = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(inner + shortcut)


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        channels = HIDDEN[0]
        self.conv1 = nn.Conv2d(1, channels, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        for stage, (width, depth) in enumerate(zip(HIDDEN, DEPTHS)):
            first = Block(channels, width, 1 if stage == 0 else 2)
            rest = [Block(width, width, 1) for _ in range(depth - 1)]
            setattr(self, f"layer{stage + 1}", nn.Sequential(first, *rest))
            channels = width
        self.fc = nn.Linear(channels, LABELS)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        for stage in range(len(HIDDEN)):
            x = getattr(self, f"layer{stage + 1}")(x)
        features = x.mean((2, 3))
        return features, self.fc(features)


def masked_loss(logits, labels, pos_weight):
    """Binary cross-entropy over the labels that are known, averaged over these."""
    known = ~labels.isnan()
    each = F.binary_cross_entropy_with_logits(
        logits, labels.nan_to_num(), pos_weight=pos_weight, reduction="none"
    )
    return each[known].mean()


def main():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = Network()
    for module in network.modules():  # nothing stays 0 or 1, where a swap would not show
        if isinstance(module, nn.BatchNorm2d):
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.uniform_(-0.5, 0.5)
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 1.5)
    pixels = torch.randn(BATCH, 1, SIDE, SIDE)
    unknown = float("nan")
    labels = torch.tensor([[1, 0, unknown], [0, 1, 1], [unknown, 0, 0], [1, unknown, 0]])
    pos_weight = torch.tensor([0.5, 2.0, 3.0])
    found = {"pixels": pixels, "labels": labels, "pos_weight": pos_weight}
    for name, tensor in network.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            found[f"weights.{name}"] = tensor.clone()

    network.eval()
    with torch.no_grad():
        found["eval.features"], found["eval.logits"] = network(pixels)

    network.train()
    found["train.features"], logits = network(pixels)
    loss = masked_loss(logits, labels, pos_weight)
    loss.backward()
    found["train.logits"], found["train.loss"] = logits, loss.reshape(1)
    for name, parameter in network.named_parameters():
        found[f"gradient.{name}"] = parameter.grad
    for name, tensor in network.state_dict().items():
        if name.endswith(("running_mean", "running_var")):
            found[f"after.{name}"] = tensor
    path = Path(__file__).parent.parent / "test/golden/classifier.safetensors"
    save_file({key: tensor.detach().contiguous() for key, tensor in found.items()}, path)
    print(path, path.stat().st_size, "bytes, loss", loss.item())


if __name__ == "__main__":
    main()
