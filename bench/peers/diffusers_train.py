"""Training steps of diffusers' U-Net, as many as each line on stdin says; prints the seconds they took.

usage: diffusers_train.py FOLDER LATENTS BATCH THREADS unet|lora

A FOLDER with a config and no weights gets random ones.
"""

import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import DDPMScheduler, UNet2DConditionModel


def train(unet, optimizer, scheduler, latents, states) -> None:
    noise = torch.randn_like(latents)
    timesteps = torch.randint(0, scheduler.config.num_train_timesteps, (len(latents),))
    prediction = unet(scheduler.add_noise(latents, noise, timesteps), timesteps, states).sample
    F.mse_loss(prediction, noise).backward()
    torch.nn.utils.clip_grad_norm_(optimizer.param_groups[0]["params"], 1.0)
    optimizer.step()
    optimizer.zero_grad()


def add_lora(unet) -> None:
    from peft import LoraConfig

    unet.requires_grad_(False)
    targets = ["to_q", "to_k", "to_v", "to_out.0"]
    unet.add_adapter(LoraConfig(r=4, lora_alpha=4, target_modules=targets))


def open_unet(folder):
    if any(Path(folder).glob("*.safetensors")):
        return UNet2DConditionModel.from_pretrained(folder)
    return UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(folder))


def main() -> None:
    folder, size, batch = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(int(sys.argv[4]))
    unet = open_unet(folder).train()
    scheduler = DDPMScheduler(beta_schedule="scaled_linear")
    if sys.argv[5] == "lora":
        add_lora(unet)
    trained = [parameter for parameter in unet.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-5, fused=True)
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
