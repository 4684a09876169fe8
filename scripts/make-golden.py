"""Makes the reference cases of test/golden that diffusers and transformers compute.

    pip install torch diffusers peft "transformers>=5"
    python3 scripts/make-golden.py

The models are small, and their weights are not stored: they follow from the parameters' names and shapes
(`parameter` below, and test/support/recipe.ts for the tests), drawn by PyTorch's CPU generator. Everything is
computed in float32 on one thread. test/golden/README.md describes the files.
"""

import argparse
import gzip
import json
import math
import os
import struct
import tempfile
from collections import OrderedDict
from pathlib import Path

import diffusers
import numpy
import PIL.Image
import torch
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker, cosine_distance
from diffusers.training_utils import EMAModel, compute_snr
from peft import LoraConfig, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import save
from transformers import (
    BertConfig,
    BertModel,
    BertTokenizer,
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    RobertaConfig,
    RobertaModel,
    RobertaTokenizer,
)

PROMPTS = [
    "A chest radiograph without findings",
    "small right-sided pleural effusion, no pneumothorax; heart size is normal (AP portable, 14:32)",
]
NEGATIVE = ["blurry", ""]

TEXT = dict(
    vocab_size=49408, hidden_size=32, intermediate_size=72, max_position_embeddings=77, pad_token_id=1
)
UNET = dict(sample_size=8, cross_attention_dim=32, layers_per_block=1)
VAE = dict(
    down_block_types=["DownEncoderBlock2D"] * 4,
    up_block_types=["UpDecoderBlock2D"] * 4,
    block_out_channels=[8, 8, 16, 16],
    layers_per_block=1,
    norm_num_groups=4,
    sample_size=64,
)
BETAS = dict(
    beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1, set_alpha_to_one=False
)

FAMILIES = {
    # As the v1 repositories: eos_token_id 2 stands for "the largest id" there.
    "recipe-sd1": dict(
        seed=100_000,
        text=dict(
            TEXT, num_hidden_layers=2, num_attention_heads=4, hidden_act="quick_gelu", bos_token_id=0, eos_token_id=2
        ),
        pad_token="<|endoftext|>",
        unet=dict(
            UNET,
            block_out_channels=[32, 64],
            down_block_types=["CrossAttnDownBlock2D", "DownBlock2D"],
            up_block_types=["UpBlock2D", "CrossAttnUpBlock2D"],
            attention_head_dim=8,
        ),
        scheduler=diffusers.PNDMScheduler(**BETAS, skip_prk_steps=True),
    ),
    "recipe-sd2": dict(
        seed=200_000,
        text=dict(
            TEXT, num_hidden_layers=3, num_attention_heads=2, hidden_act="gelu", bos_token_id=49406, eos_token_id=49407
        ),
        pad_token="!",
        unet=dict(
            UNET,
            block_out_channels=[32, 32, 64],
            down_block_types=["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
            up_block_types=["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
            attention_head_dim=[2, 4, 4],
            # Groups of few numbers at the lowest level would magnify rounding.
            norm_num_groups=8,
            use_linear_projection=True,
            upcast_attention=True,
        ),
        scheduler=diffusers.DDIMScheduler(**BETAS, clip_sample=False, prediction_type="v_prediction"),
    ),
}

SCHEDULERS = {
    "default": None,
    "ddim": diffusers.DDIMScheduler,
    "euler": diffusers.EulerDiscreteScheduler,
    "euler_ancestral": diffusers.EulerAncestralDiscreteScheduler,
    "dpmpp_2m": diffusers.DPMSolverMultistepScheduler,
    "unipc": diffusers.UniPCMultistepScheduler,
}

VARIATIONS = {
    "seeded": dict(prompt=0, steps=5, guidance_scale=4.0, seed=42),
    "no_guidance": dict(prompt=0, steps=5, guidance_scale=1.0, seed=42),
    "rescaled": dict(prompt=0, steps=5, guidance_scale=9.0, guidance_rescale=0.7, seed=42),
    "two_per_prompt": dict(prompts=[0, 1], steps=4, images_per_prompt=2, guidance_scale=4.0, seed=42),
    "seed_list": dict(prompts=[0, 1], steps=4, guidance_scale=4.0, seeds=[1, 2]),
    "eta": dict(prompt=0, steps=5, guidance_scale=4.0, eta=0.5, seed=42),
}


IMAGE_SCHEDULERS = dict(SCHEDULERS, heun=diffusers.HeunDiscreteScheduler)
INPAINTING = {
    "ddim": dict(strength=1.0),
    "euler_ancestral": dict(strength=0.7),
}

# Variants of recipe-sd1's U-Net: of an inpainting model, and of one that takes the guidance scale as an input.
VARIANTS = {
    "recipe-inpaint": dict(seed=400_000, in_channels=9),
    "recipe-lcm": dict(seed=500_000, time_cond_proj_dim=16),
}

CONTROLNET = dict(
    cross_attention_dim=32,
    layers_per_block=1,
    block_out_channels=[32, 64],
    down_block_types=["CrossAttnDownBlock2D", "DownBlock2D"],
    attention_head_dim=8,
    conditioning_embedding_out_channels=[4, 8, 8, 16],
)
REPORTS = [
    "No pneumothorax.",
    "small right-sided pleural effusion, no pneumothorax; heart size is normal (AP portable, 14:32)",
    "The lungs are clear. Cardiomegaly.",
]

# [PAD] first, so that RoBERTa's rule for positions can be told from BERT's.
BERT_WORDS = """the no is are normal clear lungs heart size pleural effusion pneumothorax right left small side ##d
card ##iom ##eg ##aly ##sided portable ##s ##ing""".split()

LEARNED = {"<effusion>": [32], "<texture>": [3, 32], "ap-style": [2, 32]}
LEARNED_PROMPTS = ["a radiograph with <effusion>", "<texture> of the lung, <effusion> in ap-style", "A lung"]


def generator(seed):
    return torch.Generator().manual_seed(seed)


def randn(shape, seed):
    return torch.randn(shape, generator=generator(seed))


def parameter(name, shape, seed):
    """The recipe: one generator a parameter. 0.7 keeps half precision's rounding well within its tolerance."""
    noise = randn(shape, seed)
    if len(shape) > 1:
        return noise * (0.7 / math.sqrt(math.prod(shape[1:])))
    return 1 + noise * 0.1 if name.endswith(".weight") else noise * 0.1


def apply_recipe(model, seed, prefix=""):
    """Sets the weights. The n-th name of the published file, in order, draws from the seed + n."""
    model.eval()
    own = model.state_dict()
    published = {prefix + name.removeprefix(prefix): name for name in own}
    shapes = {name: list(own[published[name]].shape) for name in sorted(published)}
    weights = {
        published[name]: parameter(name, shape, seed + n) for n, (name, shape) in enumerate(shapes.items())
    }
    model.load_state_dict(weights)
    return {"seed": seed, "parameters": shapes}


def write_recipe(path, recipe):
    """One parameter a line."""
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(shape)}" for name, shape in recipe["parameters"].items())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'{{"seed": {recipe["seed"]}, "parameters": {{\n{lines}\n}}}}\n')


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2) + "\n")


def write_case(path, tensors, **settings):
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {key: value if isinstance(value, str) else json.dumps(value) for key, value in settings.items()}
    path.write_bytes(with_sorted_metadata(save({name: t.contiguous() for name, t in tensors.items()}, metadata)))


def with_sorted_metadata(file):
    """The safetensors library orders the metadata at random; the same cases are to be the same files."""
    (length,) = struct.unpack("<Q", file[:8])
    header = json.loads(file[8 : 8 + length])
    if "__metadata__" in header:
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + file[8 + length :]


def write_clip_vocabulary(packed, folder):
    """What test/support/clip-vocabulary.ts writes: the repository has the merges alone."""
    merges = gzip.decompress(packed.read_bytes()).decode()
    seen = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    letters = [chr(code) for code in [*seen, *range(256, 512 - len(seen))]]
    made = [line.replace(" ", "") for line in merges.strip().split("\n")[1:]]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), *made, "<|startoftext|>", "<|endoftext|>"]
    (folder / "merges.txt").write_text(merges)
    (folder / "vocab.json").write_text(json.dumps({token: number for number, token in enumerate(tokens)}))


def make_pipeline(family, vocabulary, folder):
    """The pipeline, and its folder: everything that diffusers saves but the weights and the vocabulary."""
    seed = family["seed"]
    text_config = CLIPTextConfig(**family["text"], architectures=["CLIPTextModel"])
    text_encoder = CLIPTextModel(text_config)
    unet = diffusers.UNet2DConditionModel(**family["unet"])
    vae = diffusers.AutoencoderKL(**VAE)
    tokens = dict(
        bos_token="<|startoftext|>", eos_token="<|endoftext|>", unk_token="<|endoftext|>", pad_token=family["pad_token"]
    )
    pipeline = diffusers.StableDiffusionPipeline(
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=CLIPTokenizer.from_pretrained(vocabulary, model_max_length=77, **tokens),
        unet=unet,
        scheduler=family["scheduler"],
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    weights = "diffusion_pytorch_model.recipe.json"
    write_recipe(folder / "text_encoder/model.recipe.json", apply_recipe(text_encoder, seed, "text_model."))
    write_recipe(folder / "unet" / weights, apply_recipe(unet, seed + 10_000))
    write_recipe(folder / "vae" / weights, apply_recipe(vae, seed + 20_000))
    pipeline.save_config(folder)
    for name in ["unet", "vae", "scheduler"]:
        getattr(pipeline, name).save_config(folder / name)
    text_config.to_json_file(folder / "text_encoder/config.json")
    write_json(folder / "tokenizer/special_tokens_map.json", tokens)
    write_json(
        folder / "tokenizer/tokenizer_config.json",
        dict(tokens, tokenizer_class="CLIPTokenizer", model_max_length=77, do_lower_case=True),
    )
    return pipeline


def text_case(pipeline, path):
    input_ids = pipeline.tokenizer(PROMPTS, padding="max_length", max_length=77, truncation=True, return_tensors="pt")[
        "input_ids"
    ]
    encoder = pipeline.text_encoder
    states = encoder(input_ids, output_hidden_states=True)
    tensors = {
        "input_ids": input_ids,
        "last_hidden_state": states.last_hidden_state,
        "pooler_output": states.pooler_output,
        "hidden_states.-2": states.hidden_states[-2],
        "clip_skip_1": encoder.final_layer_norm(states.hidden_states[-2]),
    }
    write_case(path, tensors, prompts=PROMPTS)


def unet_cases(unet, folder):
    def case(name, timestep, height, width, seed, **inputs):
        batch = len(timestep)
        inputs |= dict(
            sample=randn([batch, 4, height, width], seed),
            timestep=torch.tensor(timestep),
            encoder_hidden_states=randn([batch, 77, 32], seed + 1),
        )
        write_case(folder / f"unet_{name}.safetensors", dict(inputs, output=unet(**inputs).sample))

    case("square", [981, 981], 8, 8, 1)
    case("odd", [500], 7, 10, 3)
    case("mixed_t", [1, 400, 999], 8, 8, 5)
    case("masked", [261], 8, 8, 7, encoder_attention_mask=(torch.arange(77) < 30).byte()[None])


def vae_case(vae, path):
    pixels = randn([2, 3, 32, 48], 9).clamp(-1, 1)
    posterior = vae.encode(pixels).latent_dist
    tensors = {
        "pixels": pixels,
        "mean": posterior.mean,
        "logvar": posterior.logvar,
        "sample_seed77": posterior.sample(generator(77)),
        "decoded": vae.decode(posterior.mean).sample,
    }
    write_case(path, tensors)


def config_of(scheduler):
    """What a scheduler_config.json says; diffusers notes in no fixed order which values are defaults."""
    return {key: value for key, value in scheduler.config.items() if key != "_use_default_values"}


def text_to_image_case(pipeline, scheduler, path):
    pipeline.scheduler = scheduler
    latents_in = randn([2, 4, 4, 8], 11)
    settings = dict(steps=5, guidance_scale=4.0, width=64, height=32, generator_seed=5)
    run = dict(
        prompt=PROMPTS,
        negative_prompt=NEGATIVE,
        num_inference_steps=settings["steps"],
        guidance_scale=settings["guidance_scale"],
        width=settings["width"],
        height=settings["height"],
        latents=latents_in,
    )
    latents_out = pipeline(**run, generator=generator(5), output_type="latent").images
    decoded = pipeline.vae.decode(latents_out / pipeline.vae.config.scaling_factor).sample
    write_case(
        path,
        dict(latents_in=latents_in, latents_out=latents_out, image=(decoded / 2 + 0.5).clamp(0, 1)),
        prompts=PROMPTS,
        negative=NEGATIVE,
        scheduler=type(scheduler).__name__,
        config=config_of(scheduler),
        **settings,
    )


def variations_case(pipeline, scheduler, path):
    def run(setting):
        indices = setting.get("prompts", [setting.get("prompt")])
        seeds = setting.get("seeds")
        return pipeline(
            [PROMPTS[index] for index in indices],
            num_inference_steps=setting["steps"],
            guidance_scale=setting["guidance_scale"],
            guidance_rescale=setting.get("guidance_rescale", 0.0),
            eta=setting.get("eta", 0.0),
            num_images_per_prompt=setting.get("images_per_prompt", 1),
            generator=[generator(seed) for seed in seeds] if seeds else generator(setting["seed"]),
            width=64,
            height=64,
            output_type="latent",
        ).images

    pipeline.scheduler = scheduler
    write_case(
        path,
        {name: run(setting) for name, setting in VARIATIONS.items()},
        prompts=PROMPTS,
        settings=VARIATIONS,
        width=64,
        height=64,
        scheduler=type(scheduler).__name__,
        config=config_of(scheduler),
    )


def pipeline_cases(pipeline, base, folder):
    # Clipping at ±1 makes a pipeline of random weights ill-conditioned: rounding alone moves it by 1e-3.
    unclipped = {"clip_sample": False}
    for name, scheduler_class in SCHEDULERS.items():
        scheduler = scheduler_class.from_config(dict(base.config, **unclipped)) if scheduler_class else base
        text_to_image_case(pipeline, scheduler, folder / f"txt2img_{name}.safetensors")
    ddim = diffusers.DDIMScheduler.from_config(dict(base.config, **unclipped))
    variations_case(pipeline, ddim, folder / "variations.safetensors")


def with_parts(pipeline_class, pipeline, **parts):
    """Another kind of pipeline with the parts of `pipeline`, or with `parts`."""
    components = {name: part for name, part in pipeline.components.items() if name != "image_encoder"}
    other = pipeline_class(**dict(components, **parts), requires_safety_checker=False)
    other.set_progress_bar_config(disable=True)
    return other


def image_of(count, seed):
    return torch.rand([count, 3, 32, 64], generator=generator(seed))


def scheduler_settings(scheduler):
    return dict(scheduler=type(scheduler).__name__, config=config_of(scheduler))


def image_to_image_case(pipeline, scheduler, path, prompts=1, images=1, seeds=None):
    """`prompts` of PROMPTS from the end, each with its image, or all with one."""
    settings = dict(prompts=PROMPTS[-prompts:], strength=0.6, steps=10, guidance_scale=4.0, generator_seed=9)
    image = image_of(images, 15)
    latents = with_parts(diffusers.StableDiffusionImg2ImgPipeline, pipeline, scheduler=scheduler)(
        prompt=settings["prompts"],
        image=image,
        strength=settings["strength"],
        num_inference_steps=settings["steps"],
        guidance_scale=settings["guidance_scale"],
        generator=[generator(seed) for seed in seeds] if seeds else generator(settings["generator_seed"]),
        output_type="latent",
    ).images
    if seeds:
        settings["seeds"] = seeds
    write_case(path, dict(image_in=image, latents_out=latents), **settings, **scheduler_settings(scheduler))


def inpainting_case(pipeline, scheduler, strength, path):
    settings = dict(prompts=PROMPTS[:1], strength=strength, steps=8, guidance_scale=4.0, generator_seed=9)
    image = image_of(1, 16)
    mask = torch.zeros([1, 1, 32, 64])
    mask[:, :, 6:22, 17:50] = 1
    latents = with_parts(diffusers.StableDiffusionInpaintPipeline, pipeline, scheduler=scheduler)(
        prompt=settings["prompts"],
        image=image,
        mask_image=mask,
        height=32,
        width=64,
        strength=strength,
        num_inference_steps=settings["steps"],
        guidance_scale=settings["guidance_scale"],
        generator=generator(settings["generator_seed"]),
        output_type="latent",
    ).images
    tensors = dict(image_in=image, mask=mask, latents_out=latents)
    write_case(path, tensors, **settings, **scheduler_settings(scheduler))


def image_cases(pipeline, base, folder):
    unclipped = {"clip_sample": False}
    for name, scheduler_class in IMAGE_SCHEDULERS.items():
        scheduler = scheduler_class.from_config(dict(base.config, **unclipped)) if scheduler_class else base
        image_to_image_case(pipeline, scheduler, folder / f"img2img_{name}.safetensors")
    euler = diffusers.EulerDiscreteScheduler.from_config(base.config)
    image_to_image_case(pipeline, euler, folder / "img2img_two_prompts.safetensors", prompts=2)
    pairs = folder / "img2img_pairs.safetensors"
    image_to_image_case(pipeline, euler, pairs, prompts=2, images=2, seeds=[3, 4])
    for name, setting in INPAINTING.items():
        scheduler = SCHEDULERS[name].from_config(dict(base.config, **unclipped))
        inpainting_case(pipeline, scheduler, path=folder / f"inpaint_{name}.safetensors", **setting)


def variant_unet(name, folder):
    variant = dict(VARIANTS[name])
    seed = variant.pop("seed")
    unet = diffusers.UNet2DConditionModel(**dict(FAMILIES["recipe-sd1"]["unet"], **variant))
    write_recipe(folder / "model/diffusion_pytorch_model.recipe.json", apply_recipe(unet, seed))
    unet.save_config(folder / "model")
    return unet


def variant_cases(pipeline, out):
    folder = out / "recipe-inpaint"
    inpainting = with_parts(diffusers.StableDiffusionPipeline, pipeline, unet=variant_unet("recipe-inpaint", folder))
    base = dict(FAMILIES["recipe-sd1"]["scheduler"].config, clip_sample=False)
    for name, setting in INPAINTING.items():
        scheduler = SCHEDULERS[name].from_config(base)
        inpainting_case(inpainting, scheduler, path=folder / f"inpaint_{name}.safetensors", **setting)
    folder = out / "recipe-lcm"
    consistency = with_parts(diffusers.StableDiffusionPipeline, pipeline, unet=variant_unet("recipe-lcm", folder))
    scheduler = diffusers.LCMScheduler.from_config(base)
    text_to_image_case(consistency, scheduler, folder / "txt2img.safetensors")


def control_cases(pipeline, folder):
    controlnet = diffusers.ControlNetModel(**CONTROLNET)
    write_recipe(folder / "model/diffusion_pytorch_model.recipe.json", apply_recipe(controlnet, 600_000))
    controlnet.save_config(folder / "model")
    inputs = dict(
        sample=randn([2, 4, 4, 8], 17),
        timestep=torch.tensor([500, 20]),
        encoder_hidden_states=randn([2, 77, 32], 18),
        controlnet_cond=image_of(2, 19),
    )
    down, mid = controlnet(**inputs, conditioning_scale=0.8, return_dict=False)
    residuals = {f"down.{i}": residual for i, residual in enumerate(down)} | {"mid": mid}
    write_case(folder / "forward.safetensors", inputs | residuals, conditioning_scale=0.8)

    scheduler = diffusers.DDIMScheduler.from_config(dict(FAMILIES["recipe-sd1"]["scheduler"].config, clip_sample=False))
    settings = dict(
        prompts=PROMPTS[:1], steps=6, guidance_scale=4.0, generator_seed=5, scale=0.8, start=0.2, end=0.7, strength=0.8
    )
    structure, image = image_of(1, 20), image_of(1, 21)
    parts = dict(controlnet=controlnet, scheduler=scheduler)
    run = dict(
        prompt=settings["prompts"],
        num_inference_steps=settings["steps"],
        guidance_scale=settings["guidance_scale"],
        controlnet_conditioning_scale=settings["scale"],
        output_type="latent",
    )
    window = dict(control_guidance_start=settings["start"], control_guidance_end=settings["end"])
    text_to_image = with_parts(diffusers.StableDiffusionControlNetPipeline, pipeline, **parts)
    image_to_image = with_parts(diffusers.StableDiffusionControlNetImg2ImgPipeline, pipeline, **parts)
    tensors = dict(
        structure=structure,
        image_in=image,
        txt2img=text_to_image(**run, image=structure, generator=generator(5)).images,
        windowed=text_to_image(**run, **window, image=structure, generator=generator(5)).images,
        img2img=image_to_image(
            **run, image=image, control_image=structure, strength=settings["strength"], generator=generator(5)
        ).images,
    )
    write_case(folder / "pipeline.safetensors", tensors, **settings, **scheduler_settings(scheduler))


def safety_case(folder):
    """Thresholds are set so that special care decides about one image, and a concept alone about another."""
    config = CLIPConfig(
        vision_config=dict(
            hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=8
        ),
        projection_dim=8,
    )
    checker = StableDiffusionSafetyChecker(config)
    apply_recipe(checker, 700_000)
    processor = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    fitting = (torch.rand([3, 32, 32, 3], generator=generator(22)) * 255).byte()
    fitting[1] //= 4
    fitting[2, :16] = 255
    wide = (torch.rand([48, 64, 3], generator=generator(23)) * 255).byte()
    images = [PIL.Image.fromarray(image.numpy()) for image in [*fitting, wide]]
    pixels = processor(images, return_tensors="pt").pixel_values
    embeddings = checker.visual_projection(checker.vision_model(pixels)[1])
    special = cosine_distance(embeddings, checker.special_care_embeds)
    plain = cosine_distance(embeddings, checker.concept_embeds)
    careful = int(special[:, 0].argmax())
    leaders = plain.argmax(0)
    other = next(int(image) for image in leaders if image != careful)
    checker.special_care_embeds_weights.copy_(special.max(0).values + 0.05)
    checker.special_care_embeds_weights[0] = special[careful, 0] - 0.005
    checker.concept_embeds_weights.copy_(plain.max(0).values + 0.05)
    for image, margin in [(careful, 0.005), (other, -0.02)]:
        concept = int((leaders == image).nonzero()[0])
        checker.concept_embeds_weights[concept] = plain[image, concept] + margin
    _, flagged = checker(pixels, [torch.zeros(1) for _ in images])
    assert sum(flagged) == 2
    care = (special - checker.special_care_embeds_weights > 0).any(1, keepdim=True)
    scores = (plain - checker.concept_embeds_weights + 0.01 * care).mul(1000).round() / 1000
    published = {
        key.replace("vision_model.", "vision_model.vision_model.", 1): value for key, value in checker.state_dict().items()
    }
    write_case(folder / "model/model.safetensors", published)
    config.to_json_file(folder / "model/config.json")
    write_case(folder / "scores.safetensors", dict(fitting=fitting, wide=wide, scores=scores), flagged=flagged)


def tiny_autoencoder_case(folder):
    vae = diffusers.AutoencoderTiny(
        encoder_block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8, 8),
        num_encoder_blocks=(1, 2, 2, 2),
        num_decoder_blocks=(2, 2, 2, 1),
    )
    recipe = apply_recipe(vae, 300_000)
    write_recipe(folder / "model/diffusion_pytorch_model.recipe.json", recipe)
    vae.save_config(folder / "model")
    pixels = randn([1, 3, 32, 48], 13).clamp(-1, 1)
    latents = vae.encode(pixels).latents
    write_case(folder / "taesd.safetensors", dict(pixels=pixels, latents=latents, decoded=vae.decode(latents).sample))


class CXRBert(torch.nn.Module):
    """BertModel and CXR-BERT's projection head, under the published names."""

    def __init__(self, config, projection_size):
        super().__init__()
        self.bert = BertModel(config)
        self.cls_projection_head = torch.nn.Module()
        head = self.cls_projection_head
        head.dense_to_hidden = torch.nn.Linear(config.hidden_size, projection_size)
        head.LayerNorm = torch.nn.LayerNorm(projection_size, eps=1e-12)
        head.dense_to_output = torch.nn.Linear(projection_size, projection_size)

    def project(self, states):
        head = self.cls_projection_head
        hidden = torch.nn.functional.gelu(head.dense_to_hidden(states[:, 0]))
        return head.dense_to_output(head.LayerNorm(hidden))


def poolings(states, mask):
    weight = mask[..., None].float()
    ends = mask.cumsum(1).argmax(1)
    return {
        "cls": states[:, 0],
        "mean": (states * weight).sum(1) / weight.sum(1),
        "eot": states[torch.arange(len(states)), ends],
    }


def encoder_case(model, tokenizer, path, extra):
    inputs = tokenizer(REPORTS, padding=True, return_tensors="pt", return_token_type_ids=False)
    states = model(**inputs, output_hidden_states=True)
    hidden = states.last_hidden_state
    tensors = dict(inputs, last_hidden_state=hidden, **{"hidden_states.1": states.hidden_states[1]})
    tensors |= poolings(hidden, inputs["attention_mask"])
    write_case(path, tensors | extra(states), texts=REPORTS)


def bert_case(folder):
    """A CXR-BERT of 24 numbers a token."""
    letters = [chr(code) for code in [*range(33, 65), *range(91, 127)]]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{c}" for c in letters), *BERT_WORDS]
    (folder / "model").mkdir(parents=True, exist_ok=True)
    vocab_file = folder / "model/vocab.txt"
    vocab_file.write_text("\n".join(vocabulary) + "\n")
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=24,
        num_hidden_layers=3,
        num_attention_heads=3,
        intermediate_size=48,
        max_position_embeddings=64,
    )
    model = CXRBert(config, projection_size=16)
    write_recipe(folder / "model/model.recipe.json", apply_recipe(model, 400_000))
    write_json(folder / "model/config.json", dict(config.to_dict(), model_type="cxr-bert", projection_size=16))
    tokens = dict(tokenizer_class="BertTokenizer", do_lower_case=True, model_max_length=64)
    write_json(folder / "model/tokenizer_config.json", tokens)
    tokenizer = BertTokenizer(vocab=str(vocab_file), do_lower_case=True, model_max_length=64)

    def extra(states):
        return dict(pooler_output=states.pooler_output, projection=model.project(states.last_hidden_state))

    encoder_case(model.bert, tokenizer, folder / "bert.safetensors", extra)


def roberta_case(folder, vocabulary):
    """RoBERTa without a pooler, as wide as the small U-Nets attend to."""
    (folder / "model").mkdir(parents=True, exist_ok=True)
    for name in ["vocab.json", "merges.txt", "tokenizer_config.json"]:
        (folder / "model" / name).write_bytes((vocabulary / name).read_bytes())
    tokenizer = RobertaTokenizer(
        vocab=str(vocabulary / "vocab.json"), merges=str(vocabulary / "merges.txt"), model_max_length=48
    )
    config = RobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=50,
        pad_token_id=tokenizer.pad_token_id,
        type_vocab_size=1,
    )
    model = RobertaModel(config, add_pooling_layer=False)
    write_recipe(folder / "model/model.recipe.json", apply_recipe(model, 500_000))
    write_json(folder / "model/config.json", config.to_dict())
    encoder_case(model, tokenizer, folder / "roberta.safetensors", lambda states: {})


def learned_tokens_case(pipeline, folder):
    """Textual inversion: files in the published forms, and prompts with their tokens through diffusers."""
    folder.mkdir(parents=True, exist_ok=True)
    for n, (token, shape) in enumerate(LEARNED.items()):
        vectors = randn(shape, 600_000 + n)
        name = token.strip("<>").lower()
        key = "emb_params" if name == "ap-style" else token
        (folder / f"{name}.safetensors").write_bytes(save({key: vectors}))
        pipeline.load_textual_inversion({token: vectors}, token=token)
    tokenizer = pipeline.tokenizer
    prompts = pipeline.maybe_convert_prompt(LEARNED_PROMPTS, tokenizer)
    input_ids = tokenizer(prompts, padding="max_length", max_length=77, truncation=True, return_tensors="pt")["input_ids"]
    states, _ = pipeline.encode_prompt(LEARNED_PROMPTS, "cpu", 1, False)
    write_case(folder / "prompts.safetensors", dict(input_ids=input_ids, states=states), prompts=LEARNED_PROMPTS)


def projection_case(path):
    """nn.Linear's own initialisation, and diffusers' projection."""
    torch.manual_seed(7)
    projection = diffusers.models.embeddings.PixArtAlphaTextProjection(24, 40, 32)
    states = randn([2, 5, 24], 15)
    write_case(path, dict(projection.state_dict(), states=states, output=projection(states)), seed=7)


def noise_case(path):
    """Below 16 numbers PyTorch draws one by one, from 16 on in blocks of 16 with a last one that overlaps."""
    cases = {"one": ([1], 0), "few": ([15], 42), "block": ([16], 42), "ragged": ([3, 7, 5], 4321)}
    cases |= {"latents": ([2, 4, 8, 8], 1), "large_seed": ([40], 2**63 + 11)}
    tensors = {name: randn(shape, seed) for name, (shape, seed) in cases.items()}
    write_case(path, tensors, seeds={name: str(seed) for name, (_, seed) in cases.items()})


# Of the small VGG16: its convolutions by their place in torchvision's list, and each level's channels.
VGG_LEVELS = [([0, 2], 4), ([5, 7], 6), ([10, 12, 14], 8), ([17, 19, 21], 8), ([24, 26, 28], 8)]
DISCRIMINATOR_CHANNELS = 4


def vgg_weights(seed):
    weights, channels = {}, 3
    for convolutions, out in VGG_LEVELS:
        for n in convolutions:
            weights[f"features.{n}.weight"] = randn([out, channels, 3, 3], seed + n) * math.sqrt(2 / (9 * channels))
            weights[f"features.{n}.bias"] = randn([out], seed + 50 + n) * 0.1
            channels = out
    return weights


def lpips(vgg, linear, image, reference):
    """lpips/lpips.py of richzhang/PerceptualSimilarity, version 0.1: [N]."""
    shift = torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1)
    scale = torch.tensor([0.458, 0.448, 0.450]).view(1, 3, 1, 1)

    def features(x):
        x = (x - shift) / scale
        for level, (convolutions, _) in enumerate(VGG_LEVELS):
            if level > 0:
                x = torch.nn.functional.max_pool2d(x, 2)
            for n in convolutions:
                x = torch.relu(
                    torch.nn.functional.conv2d(x, vgg[f"features.{n}.weight"], vgg[f"features.{n}.bias"], padding=1)
                )
            yield x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10)

    pairs = zip(features(image), features(reference), linear, strict=True)
    return sum(torch.nn.functional.conv2d((a - b) ** 2, w).mean([2, 3])[:, 0] for a, b, w in pairs)


class PatchGan(torch.nn.Module):
    """NLayerDiscriminator of CompVis/taming-transformers, two layers."""

    def __init__(self):
        super().__init__()
        n = DISCRIMINATOR_CHANNELS
        conv = torch.nn.Conv2d
        self.main = torch.nn.Sequential(
            conv(3, n, 4, 2, 1),
            torch.nn.LeakyReLU(0.2),
            conv(n, 2 * n, 4, 2, 1, bias=False),
            torch.nn.BatchNorm2d(2 * n, track_running_stats=False),
            torch.nn.LeakyReLU(0.2),
            conv(2 * n, 4 * n, 4, 1, 1, bias=False),
            torch.nn.BatchNorm2d(4 * n, track_running_stats=False),
            torch.nn.LeakyReLU(0.2),
            conv(4 * n, 1, 4, 1, 1),
        )

    def forward(self, x):
        return self.main(x)


AUTOENCODER_TRAINING = {
    "plain": dict(reconstruction="l1", klWeight=1e-2),
    "decoder": dict(reconstruction="l2", klWeight=1e-2, decoder=True),
    "whole": dict(reconstruction="l2", klWeight=1e-2, perceptualWeight=0.3, discriminatorWeight=0.5),
}
# Whose gradients are kept.
KEPT = [
    "encoder.conv_in.weight",
    "encoder.mid_block.attentions.0.to_q.weight",
    "quant_conv.bias",
    "post_quant_conv.weight",
    "decoder.up_blocks.1.resnets.0.norm1.weight",
    "decoder.conv_out.weight",
]


def autoencoder_step(vae, gan, vgg, linear, pixels, noise, settings):
    """ldm/modules/losses/contperceptual.py of CompVis/latent-diffusion; one forward for both networks."""
    posterior = vae.encode(pixels).latent_dist
    if settings.get("decoder"):
        posterior.mean, posterior.std = posterior.mean.detach(), posterior.std.detach()
    made = vae.decode(posterior.mean + posterior.std * noise).sample
    error = (pixels - made).abs() if settings["reconstruction"] == "l1" else (pixels - made) ** 2
    losses = {"reconstruction": error.mean()}
    if "perceptualWeight" in settings:
        distance = lpips(vgg, linear, made, pixels)
        losses["perceptual"] = distance.mean()
        error = error + settings["perceptualWeight"] * distance.view(-1, 1, 1, 1)
    loss = nll = error.sum() / len(pixels)
    losses["kl"] = posterior.kl().mean()
    if not settings.get("decoder"):
        loss = loss + settings["klWeight"] * losses["kl"]
    if "discriminatorWeight" in settings:
        adversarial = -gan(made).mean()
        last = vae.decoder.conv_out.weight
        norms = [torch.autograd.grad(part, last, retain_graph=True)[0].norm() for part in (nll, adversarial)]
        weight = (norms[0] / (norms[1] + 1e-4)).clamp(0, 1e4).detach() * settings["discriminatorWeight"]
        losses |= {"adversarial": adversarial, "adversarialWeight": weight}
        loss = loss + weight * adversarial
    losses["loss"] = loss
    loss.backward()
    if "discriminatorWeight" in settings:
        gan.zero_grad()
        real, fake = gan(pixels), gan(made.detach())
        judging = 0.5 * (torch.relu(1 - real).mean() + torch.relu(1 + fake).mean())
        judging.backward()
        losses["discriminator"] = judging
    return {name: value.item() for name, value in losses.items()}


@torch.enable_grad()
def autoencoder_training_case(path):
    """Two AdamW steps with a norm limit, on recipe-sd1's autoencoder: `plain`, `decoder` alone, `whole`."""
    vgg = vgg_weights(70_000)
    linear = [randn([1, channels, 1, 1], 70_200 + n).abs() for n, (_, channels) in enumerate(VGG_LEVELS)]
    pixels = randn([2, 3, 32, 32], 70_300).clamp(-1, 1)
    noise = randn([2, 4, 4, 4], 70_301)
    tensors = {"pixels": pixels, "noise": noise}
    tensors |= {f"vgg.{name}": weight for name, weight in vgg.items()}
    tensors |= {f"lpips.lin{n}.model.1.weight": weight for n, weight in enumerate(linear)}
    results = {}
    for name, settings in AUTOENCODER_TRAINING.items():
        vae = diffusers.AutoencoderKL(**VAE)
        apply_recipe(vae, FAMILIES["recipe-sd1"]["seed"] + 20_000)
        gan = PatchGan()
        apply_recipe(gan, 70_400)
        gan.train()
        trained = [
            (key, value)
            for key, value in vae.named_parameters()
            if not settings.get("decoder") or key.startswith(("decoder.", "post_quant_conv."))
        ]
        adamw = dict(lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2)
        optimizers = [torch.optim.AdamW([value for _, value in trained], **adamw)]
        if "discriminatorWeight" in settings:
            optimizers.append(torch.optim.AdamW(gan.parameters(), **adamw))
            tensors |= {f"discriminator.{key}": value.clone() for key, value in gan.state_dict().items()}
        results[name] = []
        for step in range(2):
            losses = autoencoder_step(vae, gan, vgg, linear, pixels, noise, settings)
            if step == 0:
                gradients = {key: value.grad.clone() for key, value in trained if key in KEPT}
                if "discriminatorWeight" in settings:
                    gradients |= {f"discriminator.{key}": value.grad.clone() for key, value in gan.named_parameters()}
                tensors |= {f"{name}.gradient.{key}": value for key, value in gradients.items()}
            losses["gradientNorm"] = torch.nn.utils.clip_grad_norm_([value for _, value in trained], 5.0).item()
            torch.nn.utils.clip_grad_norm_(gan.parameters(), 5.0)
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad()
            vae.zero_grad()
            results[name].append(losses)
        tensors |= {f"{name}.after.{key}": value.detach().clone() for key, value in trained if key in KEPT}
    tensors = {key: value.detach().contiguous() for key, value in tensors.items()}
    write_case(path, tensors, settings=AUTOENCODER_TRAINING, losses=results, discriminator_channels=DISCRIMINATOR_CHANNELS)


# By what is trained; `snrGamma` weighs losses, `rank` and `alpha` are of LoRA.
DENOISER_TRAINING = {
    "unet": dict(family="recipe-sd1", learningRate=1e-3),
    "velocity": dict(family="recipe-sd2", learningRate=1e-3, snrGamma=5.0),
    "text_encoder": dict(family="recipe-sd1", learningRate=1e-3),
    "token": dict(family="recipe-sd1", learningRate=5e-3, id=320),
    "lora": dict(family="recipe-sd1", learningRate=1e-2, rank=2, alpha=3, targets=["to_q", "to_v", "to_out.0"]),
}
# Of the weights that are trained, those that are kept.
DENOISER_KEPT = [
    "conv_in.weight",
    "conv_norm_out.weight",
    "time_embedding.linear_1.bias",
    "mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight",
    "encoder.layers.0.self_attn.q_proj.weight",
    "final_layer_norm.bias",
]
ADAMW = dict(betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2)


def denoiser_loss(unet, text_encoder, scheduler, batch, gamma):
    """train_text_to_image.py of diffusers."""
    noisy = scheduler.add_noise(batch["latents"], batch["noise"], batch["timesteps"])
    states = text_encoder(batch["input_ids"]).last_hidden_state
    target = batch["noise"]
    if scheduler.config.prediction_type == "v_prediction":
        target = scheduler.get_velocity(batch["latents"], batch["noise"], batch["timesteps"])
    losses = ((unet(noisy, batch["timesteps"], states).sample - target) ** 2).mean([1, 2, 3])
    if gamma is None:
        return losses.mean()
    snr = compute_snr(scheduler, batch["timesteps"])
    divisor = snr + 1 if scheduler.config.prediction_type == "v_prediction" else snr
    return (losses * snr.clamp(max=gamma) / divisor).mean()


def denoiser_parameters(name, settings, unet, text_encoder):
    """What is trained, by the name that it has in the case."""
    for model in (unet, text_encoder):
        model.requires_grad_(False)
    if name == "lora":
        lora = LoraConfig(
            r=settings["rank"],
            lora_alpha=settings["alpha"],
            target_modules=settings["targets"],
            init_lora_weights="gaussian",
        )
        unet.add_adapter(lora)
        factors = {
            key: randn(value.shape, 80_100 + n) / settings["rank"] if "lora_A" in key else torch.zeros_like(value)
            for n, (key, value) in enumerate(sorted(get_peft_model_state_dict(unet).items()))
        }
        set_peft_model_state_dict(unet, factors)
        return {key.replace(".default", ""): value for key, value in unet.named_parameters() if "lora_" in key}
    if name == "token":
        return {"table": text_encoder.get_input_embeddings().weight}
    return dict((text_encoder if name == "text_encoder" else unet).named_parameters())


def denoiser_training(name, settings, batch):
    family = FAMILIES[settings["family"]]
    unet = diffusers.UNet2DConditionModel(**family["unet"])
    text_encoder = CLIPTextModel(CLIPTextConfig(**family["text"]))
    apply_recipe(text_encoder, family["seed"], "text_model.")
    apply_recipe(unet, family["seed"] + 10_000)
    scheduler = diffusers.DDPMScheduler.from_config(family["scheduler"].config)
    trained = denoiser_parameters(name, settings, unet, text_encoder)
    tensors = {f"{name}.begin.{key}": value.detach().clone() for key, value in trained.items() if "lora_A" in key}
    for value in trained.values():
        value.requires_grad_(True)
    optimizer = torch.optim.AdamW(trained.values(), lr=settings["learningRate"], **ADAMW)
    average = EMAModel(trained.values(), decay=0.9)
    steps = []
    for step in range(2):
        loss = denoiser_loss(unet, text_encoder, scheduler, batch, settings.get("snrGamma"))
        loss.backward()
        kept = {key: value for key, value in trained.items() if key in DENOISER_KEPT}
        if step == 0:
            tensors |= {f"{name}.gradient.{key}": value.grad.clone() for key, value in kept.items()}
        if name == "token":
            before = trained["table"].detach().clone()
            others = torch.arange(len(before)) != settings["id"]
            trained["table"].grad[others] = 0
        norm = torch.nn.utils.clip_grad_norm_(trained.values(), 1.0)
        optimizer.step()
        if name == "token":
            trained["table"].data[others] = before[others]
        optimizer.zero_grad()
        average.step(trained.values())
        steps.append({"loss": loss.item(), "gradientNorm": norm.item()})
    kept = trained if name == "lora" else {key: value for key, value in trained.items() if key in DENOISER_KEPT}
    if name == "token":
        kept = {"row": trained["table"][settings["id"]]}
    tensors |= {f"{name}.after.{key}": value.detach().clone() for key, value in kept.items()}
    averages = dict(zip(trained, average.shadow_params))
    tensors |= {f"{name}.average.{key}": averages[key] for key in DENOISER_KEPT if key in averages}
    return tensors, steps


@torch.enable_grad()
def denoiser_training_case(path):
    """Two AdamW steps on one batch, with a norm limit of 1 and an average."""
    input_ids = torch.randint(1, 40_000, [2, 12], generator=generator(80_000))
    input_ids[:, 0], input_ids[:, -1], input_ids[0, 5] = 49406, 49407, 320
    batch = {
        "latents": randn([2, 4, 8, 8], 80_001),
        "noise": randn([2, 4, 8, 8], 80_002),
        "timesteps": torch.tensor([41, 650]),
        "input_ids": input_ids,
    }
    tensors, losses = dict(batch), {}
    for name, settings in DENOISER_TRAINING.items():
        kept, losses[name] = denoiser_training(name, settings, batch)
        tensors |= kept
    tensors = {key: value.detach().contiguous() for key, value in tensors.items()}
    write_case(path, tensors, settings=DENOISER_TRAINING, steps=losses)


def broken_files(folder):
    folder.mkdir(parents=True, exist_ok=True)
    whole = save({"bias": torch.zeros(4), "weight": torch.ones(4, 4)})
    (folder / "truncated.safetensors").write_bytes(whole[:-20])
    (folder / "bad-header-length.safetensors").write_bytes(struct.pack("<Q", 2**60) + whole[8:])
    outside = whole.replace(b"[16,80]", b"[16,96]")
    assert outside != whole
    (folder / "bad-offsets.safetensors").write_bytes(outside)


class Hostile:
    def __reduce__(self):
        return os.system, ("touch /tmp/latentray-was-here",)


def pytorch_files(folder):
    """The same tensors in every form of torch.save and as safetensors; and pickles that hold more than tensors."""
    base = randn([4, 6], 11)
    state = OrderedDict(
        weight=base,
        view=base[1:3, 2:5].t(),
        half=randn([5], 12).half(),
        bfloat16=randn([5], 13).bfloat16(),
        counts=torch.arange(3),
        flags=torch.tensor([True, False]),
        empty=torch.zeros(0, 3),
        scalar=torch.tensor(2.5),
    )
    state._metadata = {"": {"version": 1}}  # as module.state_dict() has it
    old = {"_use_new_zipfile_serialization": False}
    torch.save(state, folder / "small.zip.bin")
    torch.save(state, folder / "small.legacy.bin", **old)
    optimizer = {"state": {0: {"step": torch.tensor(1.0)}}, "lr": 1e-3}
    nested = {"state_dict": dict(state), "global_step": 7, "optimizer": optimizer}
    torch.save(nested, folder / "small.nested.ckpt")
    torch.save({"weight": torch.nn.Parameter(base)}, folder / "small.parameter.bin")
    embedding = {"string_to_token": {"*": 265}, "string_to_param": {"*": randn([2, 32], 14)}}
    torch.save(embedding | {"name": "ap-style", "step": 99, "sd_checkpoint": None}, folder / "embedding.pt")
    parameters = torch.nn.ParameterDict({"*": torch.nn.Parameter(randn([2, 32], 14))})
    first_form = {"string_to_token": {"*": torch.tensor(265)}, "string_to_param": parameters}
    torch.save(first_form, folder / "embedding.parameters.pt")
    contiguous = {name: tensor.contiguous().clone() for name, tensor in state.items()}
    (folder / "small.safetensors").write_bytes(save(contiguous))
    torch.save({"weight": base, "extra": Hostile()}, folder / "hostile.zip.bin")
    torch.save({"weight": base, "extra": Hostile()}, folder / "hostile.legacy.bin", **old)
    torch.save(torch.nn.Linear(2, 2), folder / "module.bin")


def resize_case(path):
    rows, columns = torch.meshgrid(torch.arange(61.0), torch.arange(83.0), indexing="ij")
    waves = 127 + 90 * torch.sin(columns / 7 + rows / 11) + 40 * randn((61, 83), 21)
    grey = waves.clamp(0, 255).to(torch.uint8)
    tensors = {"grey": grey}
    for kernel in ("bilinear", "bicubic"):
        for height, width in ((24, 40), (100, 130)):
            for dtype in ("uint8", "float32"):
                image = PIL.Image.fromarray(grey.to(getattr(torch, dtype)).numpy())
                resized = image.resize((width, height), getattr(PIL.Image.Resampling, kernel.upper()))
                tensors[f"{kernel}.{height}x{width}.{dtype}"] = torch.from_numpy(numpy.array(resized))
    write_case(path, tensors, pillow=PIL.__version__)


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description="Makes the computed reference cases of test/golden.")
    default = Path(__file__).parent.parent / "test/golden"
    parser.add_argument("out", nargs="?", type=Path, default=default, help="the folder of the cases")
    out = parser.parse_args().out
    torch.set_num_threads(1)
    scratch = tempfile.TemporaryDirectory()
    vocabulary = Path(scratch.name)
    write_clip_vocabulary(default / "tokenizer/clip/merges.txt.gz", vocabulary)
    for name, family in FAMILIES.items():
        folder = out / name
        pipeline = make_pipeline(family, vocabulary, folder / "model")
        text_case(pipeline, folder / "text_encoder.safetensors")
        unet_cases(pipeline.unet, folder)
        vae_case(pipeline.vae, folder / "vae.safetensors")
        pipeline_cases(pipeline, family["scheduler"], folder / "pipeline")
        image_cases(pipeline, family["scheduler"], folder / "pipeline")
        if name == "recipe-sd1":
            variant_cases(pipeline, out)
            control_cases(pipeline, out / "recipe-controlnet")
            learned_tokens_case(pipeline, folder / "learned_tokens")
    tiny_autoencoder_case(out / "recipe-taesd")
    safety_case(out / "safety-checker")
    bert_case(out / "recipe-bert")
    roberta_case(out / "recipe-roberta", default.parent / "tokenizers/fixtures/roberta")
    projection_case(out / "text_projection.safetensors")
    noise_case(out / "noise.safetensors")
    resize_case(out / "resize.safetensors")
    autoencoder_training_case(out / "autoencoder_training.safetensors")
    denoiser_training_case(out / "denoiser_training.safetensors")
    broken_files(out / "formats")
    pytorch_files(out / "formats")


if __name__ == "__main__":
    main()
