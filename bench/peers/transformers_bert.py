"""Mean vectors of texts by eager transformers, once for each line on stdin; prints them as one JSON list.

usage: transformers_bert.py FOLDER TEXTS.json BATCH THREADS

Batches are of like length, padded to their longest text. Where the package onnx is there, the model is
written to FOLDER/model.onnx first.
"""

import importlib.util
import json
import sys
from pathlib import Path

import torch
from transformers import AutoTokenizer, BertModel


def embed(model, tokenizer, texts, batch):
    encodings = tokenizer(texts, truncation=True, max_length=512)["input_ids"]
    order = sorted(range(len(texts)), key=lambda index: -len(encodings[index]))
    vectors = torch.empty(len(texts), model.config.hidden_size)
    for start in range(0, len(order), batch):
        rows = order[start : start + batch]
        inputs = tokenizer.pad({"input_ids": [encodings[row] for row in rows]}, return_tensors="pt")
        states = model(**inputs).last_hidden_state
        weight = inputs["attention_mask"][..., None].to(states.dtype)
        vectors[rows] = (states * weight).sum(1) / weight.sum(1)
    return vectors


class LastHiddenState(torch.nn.Module):
    """What is exported: tensors in, one tensor out."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask):
        return self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state


def write_onnx(folder):
    """From a model of its own: the exporter changes what it exports."""
    path = folder / "model.onnx"
    if path.exists() or importlib.util.find_spec("onnx") is None:
        return
    model = BertModel.from_pretrained(folder).eval()
    ids = torch.ones(2, 8, dtype=torch.long)
    names = ["input_ids", "attention_mask"]
    axes = {name: {0: "texts", 1: "tokens"} for name in [*names, "last_hidden_state"]}
    torch.onnx.export(
        LastHiddenState(model),
        (ids, ids),
        path,
        input_names=names,
        output_names=["last_hidden_state"],
        dynamic_axes=axes,
        dynamo=False,
    )


@torch.no_grad()
def main() -> None:
    folder, texts = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())
    batch, threads = int(sys.argv[3]), int(sys.argv[4])
    torch.set_num_threads(threads)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    write_onnx(folder)
    model = BertModel.from_pretrained(folder).eval()
    embed(model, tokenizer, texts[:batch], batch)
    print("ready", flush=True)
    for _ in sys.stdin:
        vectors = embed(model, tokenizer, texts, batch)
        print(json.dumps(vectors.flatten().tolist()), flush=True)


if __name__ == "__main__":
    main()
