/** The public surface of latentray, and nothing else. */
export {
  cudaIsAvailable,
  type DeviceInfo,
  devices,
  executorStatistics,
  getThreads,
  nativeMemory,
  setThreads,
  version,
} from './devices.js';
export { type Diagnosis, diagnose, type Problem } from './doctor.js';
export type { Variables } from './environment.js';
export { invalidArgument, LatentrayError, type LatentrayErrorFields } from './errors.js';
export {
  type ContactSheetOptions,
  type ContactSheetRow,
  contactSheet,
  differenceImage,
} from './image/contact-sheet.js';
export { type Fit, type FitOptions, fitImage } from './image/fit-images.js';
export {
  Image,
  type ImageFormat,
  type ImageInit,
  type ImageSource,
  type ImageWriteOptions,
  readProvenance,
} from './image/image.js';
export type { PixelData, PixelImage } from './image/pixel-layout.js';
export type { Provenance } from './image/provenance.js';
export * as metrics from './metrics/index.js';
export { Autoencoder, type Encoded, type PieceOptions } from './models/autoencoder.js';
export type { ModelOptions } from './models/model-folder.js';
export {
  type EncodeTextOptions,
  TextEncoder,
  type TextEncoderInputs,
  type TextEncoderStates,
  type TextEncoding,
} from './models/text-encoder.js';
export { UNet, type UNetInputs } from './models/unet.js';
export type { JobOptions } from './native/addon.js';
export type { LibTorch } from './native/libtorch.js';
export { NoiseSource } from './noise-source.js';
export type { GenerateOptions, Progress, StepEvent } from './pipeline/generate-options.js';
export { type Generated, Pipeline, type PipelineOptions } from './pipeline/pipeline.js';
export type { Truncation } from './pipeline/prompt-embeddings.js';
export { type ReconstructOptions, reconstruct } from './pipeline/reconstruct.js';
export { Scheduler, type SchedulerConfig } from './scheduler.js';
export { type DType, Tensor, type TensorOptions, type TypedArray } from './tensor.js';
export { loadTensors, saveTensors, type TensorFile } from './tensor-files.js';
export { type LoadTokenizerOptions, loadTokenizer } from './tokenizers/load-tokenizer.js';
export type {
  DecodeOptions,
  EncodeBatchOptions,
  EncodeOptions,
  EncodePairOptions,
  Encoding,
  Tokenizer,
} from './tokenizers/tokenizer.js';
