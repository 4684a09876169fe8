"""diffusers' U-Net on a GPU: answers each line on stdin, "call N" or "train N", with the seconds that one took.

usage: diffusers_cuda.py FOLDER BATCH
"""

import sys
import time

import torch
import torch.nn.functional as F
from diffusers import DDPMScheduler, UNet2DConditionModel

folder, batch = sys.argv[1], int(sys.argv[2])
half = UNet2DConditionModel.from_pretrained(folder, torch_dtype=torch.float16).to("cuda").eval()
half.to(memory_format=torch.channels_last)
unet = UNet2DConditionModel.from_pretrained(folder).to("cuda").train()
unet.to(memory_format=torch.channels_last)
optimizer = torch.optim.AdamW(unet.parameters(), lr=1e-5, fused=True)
scheduler = DDPMScheduler(beta_schedule="scaled_linear")

sample = torch.randn(2, 4, 64, 64, device="cuda", dtype=torch.float16)
states = torch.randn(2, 77, 768, device="cuda", dtype=torch.float16)
latents = torch.randn(batch, 4, 64, 64, device="cuda")
conditions = torch.randn(batch, 77, 768, device="cuda")


@torch.no_grad()
def call() -> None:
    half(sample, torch.tensor(500, device="cuda"), states)


def train() -> None:
    noise = torch.randn(latents.shape).to("cuda")
    timesteps = torch.randint(0, 1000, (batch,)).to("cuda")
    with torch.autocast("cuda", torch.bfloat16):
        noisy = scheduler.add_noise(latents, noise, timesteps)
        prediction = unet(noisy, timesteps, conditions).sample
    F.mse_loss(prediction.float(), noise).backward()
    torch.nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()


print("ready", flush=True)
for line in sys.stdin:
    what, count = line.split()
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(int(count)):
        call() if what == "call" else train()
    torch.cuda.synchronize()
    print((time.perf_counter() - started) / int(count), flush=True)
