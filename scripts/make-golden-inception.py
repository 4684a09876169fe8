"""Makes test/golden/inception.safetensors: features of Inception v3 as clean-fid, pytorch-fid and torchvision
compute them, for two images of which one is enlarged and one reduced.

    pip install torch torchvision pillow safetensors
    python3 scripts/make-golden-inception.py

Weights and pixels are not in the file: both follow from rules (`parameter`, `picture`) that the tests know too.
"""

import json
from pathlib import Path
from zlib import crc32

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F
from torchvision.models import Inception3
from torchvision.models import inception as tv

SIDE = 299
SIZES = [(60, 75), (420, 350)]  # height, width
LAYERS = {"192": 192, "2048": 2048}
IMAGENET_MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
IMAGENET_DEVIATION = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)


def parameter(name, shape):
    """What each test draws of a name: test/support/seeded-network.ts."""
    if name.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    generator = torch.Generator().manual_seed(crc32(name.encode()) % 2**31)
    if name.endswith("running_var"):
        return 0.5 + torch.rand(shape, generator=generator)
    noise = torch.randn(shape, generator=generator)
    if name.endswith("running_mean"):
        return 0.1 * noise
    if len(shape) == 1:
        return 1 + 0.1 * noise if name.endswith("weight") else 0.1 * noise
    return noise * (2 / noise[0].numel()) ** 0.5


def picture(height, width):
    """uint8 [height, width, 3]: tiles of 5 x 7 pixels, each of its own grey in each channel."""
    y, x, channel = np.ogrid[:height, :width, :3]
    tile = ((y // 5) * 1000 + x // 7) * 3 + channel
    return (((tile.astype(np.uint64) * 2654435761) % 2**32) >> 24).astype(np.uint8)


class Seeded:
    """A state dictionary of an Inception without its auxiliary classifier."""

    def __init__(self, network):
        self.network = network.eval()
        self.shapes = {name: list(tensor.shape) for name, tensor in network.state_dict().items()}
        network.load_state_dict({name: parameter(name, shape) for name, shape in self.shapes.items()})

    @torch.no_grad()
    def features(self, pixels):
        found = {}

        def keep(layer):
            return lambda _module, _inputs, output: found.update({layer: output.mean((2, 3))})

        hooks = [
            self.network.maxpool2.register_forward_hook(keep("192")),
            self.network.Mixed_7c.register_forward_hook(keep("2048")),
        ]
        found["logits"] = self.network(pixels)
        for hook in hooks:
            hook.remove()
        return found


def without_padding(x):
    return F.avg_pool2d(x, kernel_size=3, stride=1, padding=1, count_include_pad=False)


class InceptionA(tv.InceptionA):
    """pytorch-fid's FIDInceptionA."""

    def _forward(self, x):
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        pooled = self.branch_pool(without_padding(x))
        return [self.branch1x1(x), self.branch5x5_2(self.branch5x5_1(x)), double, pooled]


class InceptionC(tv.InceptionC):
    """pytorch-fid's FIDInceptionC."""

    def _forward(self, x):
        seven = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = x
        for number in range(1, 6):
            double = getattr(self, f"branch7x7dbl_{number}")(double)
        return [self.branch1x1(x), seven, double, self.branch_pool(without_padding(x))]


class InceptionE(tv.InceptionE):
    """pytorch-fid's FIDInceptionE_1 and, with the maximum, FIDInceptionE_2."""

    def __init__(self, inputs, pool):
        super().__init__(inputs)
        self.pool = pool

    def _forward(self, x):
        three = self.branch3x3_1(x)
        three = torch.cat([self.branch3x3_2a(three), self.branch3x3_2b(three)], 1)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        double = torch.cat([self.branch3x3dbl_3a(double), self.branch3x3dbl_3b(double)], 1)
        return [self.branch1x1(x), three, double, self.branch_pool(self.pool(x))]


def fid_network():
    """pytorch-fid's fid_inception_v3."""
    network = Inception3(num_classes=1008, aux_logits=False, init_weights=False)
    network.Mixed_5b = InceptionA(192, pool_features=32)
    network.Mixed_5c = InceptionA(256, pool_features=64)
    network.Mixed_5d = InceptionA(288, pool_features=64)
    network.Mixed_6b = InceptionC(768, channels_7x7=128)
    network.Mixed_6c = InceptionC(768, channels_7x7=160)
    network.Mixed_6d = InceptionC(768, channels_7x7=160)
    network.Mixed_6e = InceptionC(768, channels_7x7=192)
    network.Mixed_7b = InceptionE(1280, without_padding)
    network.Mixed_7c = InceptionE(2048, nn.MaxPool2d(kernel_size=3, stride=1, padding=1))
    return network


def clean_fid(image):
    """cleanfid.resize, mode "clean": PIL's bicubic of each channel in float32; then as its network begins."""
    channels = [
        np.asarray(Image.fromarray(image[:, :, i].astype(np.float32), mode="F").resize((SIDE, SIDE), Image.BICUBIC))
        for i in range(3)
    ]
    pixels = torch.from_numpy(np.stack(channels).clip(0, 255)).unsqueeze(0)
    return (pixels - 128) / 128


def unit_resized(image):
    """pytorch_fid.inception: bilinear without antialiasing of pixels in [0, 1]."""
    pixels = torch.from_numpy(image).permute(2, 0, 1).unsqueeze(0).float() / 255
    return F.interpolate(pixels, size=(SIDE, SIDE), mode="bilinear", align_corners=False)


def pytorch_fid(image):
    return 2 * unit_resized(image) - 1


def torchvision_input(image):
    """As torchvision's transforms normalise; `transform_input` is the network's."""
    return (unit_resized(image) - IMAGENET_MEAN) / IMAGENET_DEVIATION


def main():
    torch.set_num_threads(1)
    of_fid = Seeded(fid_network())
    of_torchvision = Seeded(Inception3(transform_input=True, aux_logits=False, init_weights=False))
    ways = {
        "clean-fid": (of_fid, clean_fid),
        "pytorch-fid": (of_fid, pytorch_fid),
        "torchvision": (of_torchvision, torchvision_input),
    }
    tensors = {}
    for way, (seeded, prepare) in ways.items():
        for number, size in enumerate(SIZES):
            found = seeded.features(prepare(picture(*size)))
            for layer in LAYERS:
                tensors[f"{way}.{number}.{layer}"] = found[layer].contiguous()
            if way == "torchvision":
                tensors[f"{way}.{number}.logits"] = found["logits"]
    metadata = {
        "parameters": json.dumps(of_fid.shapes, separators=(",", ":")),
        "salt": "0",
        "sizes": json.dumps(SIZES),
    }
    path = Path(__file__).parent.parent / "test/golden/inception.safetensors"
    save_file(tensors, path, metadata)
    print(path, path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
