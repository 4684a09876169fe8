#!/usr/bin/env bash
# The augmentation experiment, on NIH's and on Kermany's radiographs: a synthetic set of the default model's, and
# whether it helps a classifier. Goes on where it was stopped.
#
#   bench/augmentation/run.sh DATA WORK      DATA: the folder with metadata.jsonl; reports in WORK/*-evaluation
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
data="$1"
work="$2"
latentray="${LATENTRAY:-npx latentray}"

experiment() { # source, plan, seed, sizes and labels
  local source="$1" plan="$2" seed="$3"
  shift 3
  node "$here/source-folder.mjs" "$data" "$work/$source" --source "$source"
  $latentray augment --dataset "$work/$source" --plan "$plan" --reports --fit centre-crop \
    --steps 20 --guidance 3 --seed "$seed" -o "$work/$source-synthetic"
  $latentray augment evaluate --dataset "$work/$source" --synthetic "$work/$source-synthetic" \
    --config "$here/training.yaml" --seeds 3 "$@" -o "$work/$source-evaluation"
}

mkdir -p "$work"
experiment kermany '{ "No Finding": 80, "Bacterial Pneumonia": 80, "Viral Pneumonia": 80 }' 1 \
  --size 50 --size 150 --size 414 \
  --label 'No Finding' --label 'Bacterial Pneumonia' --label 'Viral Pneumonia'
experiment nih '{ "No Finding": 60, Pneumonia: 60, Infiltration: 30, Atelectasis: 30, Consolidation: 30, Effusion: 30, Nodule: 20 }' 2 \
  --size 100 --size 300 --size 1091 \
  --label 'No Finding' --label Pneumonia --label Infiltration --label Atelectasis --label Consolidation \
  --label Effusion --label Nodule
