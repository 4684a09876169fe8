/** The public surface of latentray, and nothing else. */
export { type ConvertOptions, convert } from './checkpoints/convert.js';
export {
  type CheckpointDescription,
  inspect,
  type TensorDescription,
} from './checkpoints/inspect.js';
export type { CustomScheduler } from './custom-scheduler.js';
export type { DicomImage, DicomValues } from './data/dicom/decode.js';
export type { DicomDescription, DicomIdentifiers } from './data/dicom/description.js';
export type { DicomWindow, WindowChoice, WindowFunction } from './data/dicom/grey.js';
export { type ReadDicomOptions, readDicom } from './data/dicom/read-dicom.js';
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
export { ControlNet, type ControlNetInputs, type ControlResiduals } from './models/controlnet.js';
export { cosineSimilarity } from './models/cosine-similarity.js';
export type {
  EncodeTextOptions,
  Pooling,
  PoolTextOptions,
} from './models/encode-text-options.js';
export type { CheckpointOptions, ModelOptions } from './models/model-folder.js';
export { SafetyChecker } from './models/safety-checker.js';
export type { SaveOptions } from './models/save-model.js';
export {
  TextEncoder,
  type TextEncoderInputs,
  type TextEncoderStates,
  type TextEncoding,
  type TextForwardOptions,
} from './models/text-encoder.js';
export {
  TextProjection,
  type TextProjectionConfig,
  type TextProjectionOptions,
} from './models/text-projection.js';
export type { TextBatch, TextSource } from './models/text-stream.js';
export type { TextualInversionSource } from './models/textual-inversion.js';
export { UNet, type UNetInputs } from './models/unet.js';
export type { JobOptions } from './native/addon.js';
export type { LibTorch } from './native/libtorch.js';
export { NoiseSource } from './noise-source.js';
export type {
  ControlOptions,
  DiffusionOptions,
  GenerateOptions,
  Progress,
  StepEvent,
} from './pipeline/generate-options.js';
export type { ImageToImageOptions } from './pipeline/image-to-image.js';
export type { InpaintOptions } from './pipeline/inpaint.js';
export type { ImageInput } from './pipeline/input-images.js';
export type { PipelineOptions } from './pipeline/load-pipeline.js';
export type { LoraAdapter, LoraSource } from './pipeline/lora-adapters.js';
export { Pipeline } from './pipeline/pipeline.js';
export type {
  EncodedPrompt,
  EncodePromptOptions,
  PromptEmbeddings,
  Truncation,
} from './pipeline/prompt-embeddings.js';
export { type ReconstructOptions, reconstruct } from './pipeline/reconstruct.js';
export type { Generated } from './pipeline/run.js';
export type { SafetyCheck } from './pipeline/safety-check.js';
export {
  Scheduler,
  type SchedulerConfig,
  type SchedulerStepOptions,
  type Steps,
} from './scheduler.js';
export { type DType, Tensor, type TensorOptions, type TypedArray } from './tensor.js';
export { loadTensors, saveTensors, type TensorFile } from './tensor-files.js';
export { type LoadTokenizerOptions, loadTokenizer } from './tokenizers/load-tokenizer.js';
export type {
  DecodeOptions,
  EncodeBatchOptions,
  EncodeChunksOptions,
  EncodeOptions,
  EncodePairOptions,
  Encoding,
  Tokenizer,
} from './tokenizers/tokenizer.js';
export {
  type AutoencoderBatch,
  type AutoencoderLosses,
  AutoencoderTrainer,
  type AutoencoderTrainerOptions,
  type AutoencoderUpdate,
  type PatchDiscriminatorOptions,
  type PerceptualLossOptions,
  type StepPosition,
} from './training/autoencoder-trainer.js';
export {
  type LatentScale,
  type MeasureLatentScaleOptions,
  measureLatentScale,
} from './training/latent-scale.js';
export {
  ProcessGroup,
  type ProcessGroupOptions,
  processGroupFromEnvironment,
} from './training/process-group.js';
export type { EmaOptions, OptimizerOptions } from './training/trainer-options.js';
