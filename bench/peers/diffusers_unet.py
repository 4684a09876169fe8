"""One eager U-Net step of diffusers for each line on stdin; prints the seconds it took.

usage: diffusers_unet.py FOLDER LATENTS DTYPE DEVICE
"""

import sys
import time

import torch
from diffusers import UNet2DConditionModel


def main() -> None:
    folder, size, dtype, device = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
    options = {"dtype": getattr(torch, dtype), "device": device}
    unet = UNet2DConditionModel.from_pretrained(folder).to(**options).eval()
    generator = torch.Generator().manual_seed(1)
    sample = torch.randn(1, 4, size, size, generator=generator).to(**options)
    states = torch.randn(1, 77, 768, generator=generator).to(**options)
    print("ready", flush=True)
    for _ in sys.stdin:
        started = time.perf_counter()
        with torch.no_grad():
            unet(sample, 500, states).sample.cpu()
        print(time.perf_counter() - started, flush=True)


if __name__ == "__main__":
    main()
