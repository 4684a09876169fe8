"""Trains the default model's tokenizer, byte-level BPE in CLIP's form, on the captions.

    python models/recipe/tokenizer.py OUT/metadata.jsonl models/recipe/pipeline/tokenizer

Needs the `tokenizers` package. What it writes is committed: training the model does not need Python.
"""

import json
import sys
from pathlib import Path

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

START, END = "<|startoftext|>", "<|endoftext|>"
VOCABULARY = 1024

captions_file, folder = Path(sys.argv[1]), Path(sys.argv[2])
captions = [json.loads(line)["text"] for line in captions_file.read_text().splitlines()]

tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>", unk_token=END))
tokenizer.normalizer = normalizers.Sequence(
    [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
)
words = r"""<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"""
tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
    [
        pre_tokenizers.Split(Regex(words), behavior="removed", invert=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False),
    ]
)
trainer = trainers.BpeTrainer(
    vocab_size=VOCABULARY,
    end_of_word_suffix="</w>",
    initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
)
tokenizer.train_from_iterator(captions, trainer)

# CLIP's order: bytes, bytes that end a word, merges, the two special tokens.
model = json.loads(tokenizer.to_str())["model"]
merges = [pair if isinstance(pair, list) else pair.split(" ") for pair in model["merges"]]
alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
tokens = alphabet + [byte + "</w>" for byte in alphabet] + ["".join(pair) for pair in merges]
tokens = list(dict.fromkeys(tokens)) + [START, END]

folder.mkdir(parents=True, exist_ok=True)
vocab = {token: number for number, token in enumerate(tokens)}
(folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False, indent=0) + "\n")
lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
(folder / "merges.txt").write_text("\n".join(lines) + "\n")
settings = {
    "add_prefix_space": False,
    "bos_token": START,
    "do_lower_case": True,
    "eos_token": END,
    "errors": "replace",
    "model_max_length": 48,
    "pad_token": END,
    "tokenizer_class": "CLIPTokenizer",
    "unk_token": END,
}
(folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")
print(f"{len(tokens)} tokens, {len(merges)} merges")
