"""Training steps of diffusers' U-Net, as many as each line on stdin says; prints the seconds they took.

usage: diffusers_train.py FOLDER LATENTS BATCH THREADS
"""

import sys
import time

import torch
import torch.nn.functional as F
from diffusers import DDPMScheduler, UNet2DConditionModel


def train(unet, optimizer, scheduler, latents, states) -> None:
    noise = torch.randn_like(latents)
    timesteps = torch.randint(0, scheduler.config.num_train_timesteps, (len(latents),))
    prediction = unet(scheduler.add_noise(latents, noise, timesteps), timesteps, states).sample
    F.mse_loss(prediction, noise).backward()
    torch.nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()


def main() -> None:
    folder, size, batch = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(int(sys.argv[4]))
    unet = UNet2DConditionModel.from_pretrained(folder).train()
    scheduler = DDPMScheduler(beta_schedule="scaled_linear")
    optimizer = torch.optim.AdamW(unet.parameters(), lr=1e-5, fused=True)
    latents = torch.randn(batch, 4, size, size)
    states = torch.randn(batch, 77, unet.config.cross_attention_dim)
    print("ready", flush=True)
    for line in sys.stdin:
        started = time.perf_counter()
        for _ in range(int(line)):
            train(unet, optimizer, scheduler, latents, states)
        print(time.perf_counter() - started, flush=True)


if __name__ == "__main__":
    main()
