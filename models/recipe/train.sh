#!/usr/bin/env bash
# Trains the default model again, from the images to the folder that the package ships. The two runs took six minutes
# on an H200.
#
#   models/recipe/train.sh DATA WORK [--device cuda …]
#
# DATA has metadata.jsonl with split, labels, view, sex and age; WORK gets the runs and WORK/default, the model.
set -euo pipefail
data=$1 work=$2
shift 2
recipe=$(cd "$(dirname "$0")" && pwd)
latentray="node $recipe/../../dist/esm/cli/main.js"

mkdir -p "$work"
node "$recipe/captions.mjs" "$data" "$work/captions" --split train
$latentray train --config "$recipe/autoencoder.yaml" --pipeline "$recipe/pipeline" \
  --dataset "$work/captions" --output "$work/autoencoder" --resume latest "$@"

mkdir -p "$work/begin"
cp -r "$recipe/pipeline/." "$work/begin/"
cp "$work/autoencoder/result/"* "$work/begin/vae/"
$latentray train --config "$recipe/denoiser.yaml" --pipeline "$work/begin" \
  --dataset "$work/captions" --output "$work/denoiser" --resume latest "$@"

$latentray convert "$work/denoiser/result" "$work/default" --dtype float16
