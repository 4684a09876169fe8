"""DenseNet-121 and a bicubic resize by torchvision in eager PyTorch; works once for each line on stdin.

usage: torchvision_features.py WEIGHTS.safetensors IMAGES BATCH THREADS

A line is "features" or "resize"; the answer is one JSON list of numbers to compare.
"""

import json
import sys

import torch
from safetensors.torch import load_file
from torchvision.models import densenet121
from torchvision.transforms.v2 import functional as F
from torchvision.transforms.v2.functional import InterpolationMode


def network_of(path):
    network = densenet121(num_classes=18)
    network.features.conv0 = torch.nn.Conv2d(1, 64, 7, 2, 3, bias=False)
    network.load_state_dict(load_file(path), strict=False)
    return network.eval()


@torch.inference_mode()
def main() -> None:
    images, batch, threads = (int(value) for value in sys.argv[2:5])
    torch.set_num_threads(threads)
    network = network_of(sys.argv[1])
    radiographs = torch.full((batch, 1, 512, 512), 0.5)
    large = torch.rand(batch, 1, 1024, 1024)

    def features():
        small = F.resize(radiographs, [224, 224], InterpolationMode.BILINEAR, antialias=True)
        return network(small * 2048 - 1024)

    def resize():
        return F.resize(large, [512, 512], InterpolationMode.BICUBIC, antialias=True)

    features()
    print("ready", flush=True)
    for line in sys.stdin:
        for _ in range(images // batch):
            found = features() if line.strip() == "features" else resize()
        print(json.dumps(found.flatten()[:18].tolist()), flush=True)


if __name__ == "__main__":
    main()
