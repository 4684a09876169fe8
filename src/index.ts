/** The public surface of latentray, and nothing else. */
export { augment } from './augment/augment.js';
export type {
  AugmentCallbacks,
  AugmentProgress,
  AugmentResult,
  LabelOutcome,
} from './augment/augment-events.js';
export type {
  AugmentGeneration,
  AugmentOptions,
  AugmentPlan,
  AugmentPrompts,
  QualityGateOptions,
} from './augment/augment-options.js';
export type { Classification, ImageClassifier } from './augment/image-classifier.js';
export type { AgreementCheck } from './augment/label-agreement.js';
export type { ImageChecks, NearnessCheck } from './augment/quality-gate.js';
export type { Shard } from './augment/shard.js';
export { type ConvertOptions, convert } from './checkpoints/convert.js';
export {
  type CheckpointDescription,
  inspect,
  type TensorDescription,
} from './checkpoints/inspect.js';
export type { CustomScheduler } from './custom-scheduler.js';
export { Dataset } from './data/dataset.js';
export type {
  DatasetOptions,
  FolderOptions,
  MimicCxrOptions,
  OpenIOptions,
} from './data/dataset-options.js';
export type { DicomImage, DicomValues } from './data/dicom/decode.js';
export type { DicomDescription, DicomIdentifiers } from './data/dicom/description.js';
export type { DicomWindow, WindowChoice, WindowFunction } from './data/dicom/grey.js';
export { type ReadDicomOptions, readDicom } from './data/dicom/read-dicom.js';
export type { RecordFilter, RecordPredicate } from './data/filters.js';
export type { LabelStyle, UncertainPolicy } from './data/labels.js';
export type { DatasetProblem, ProblemCounts } from './data/problems.js';
export type {
  DatasetImage,
  DatasetImageOptions,
  ReportOptions,
  SeedOptions,
} from './data/reading-options.js';
export type {
  DatasetRecord,
  FindingBox,
  Identifiers,
  Labels,
  ReportRecord,
  View,
} from './data/record.js';
export { parseReport, type Report } from './data/report-sections.js';
export type { CountComparison, SelfTest } from './data/self-test.js';
export type { DatasetSummary, LabelCounts, PartSummary } from './data/summary.js';
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
export {
  type FeatureRows,
  FeatureStatistics,
  type Features,
} from './metrics/feature-statistics.js';
export * as metrics from './metrics/index.js';
export { Autoencoder, type Encoded, type PieceOptions } from './models/autoencoder.js';
export {
  type ClassifiedImage,
  Classifier,
  type ClassifierConfig,
  type ClassifierOutput,
} from './models/classifier.js';
export { ControlNet, type ControlNetInputs, type ControlResiduals } from './models/controlnet.js';
export { cosineSimilarity } from './models/cosine-similarity.js';
export type {
  EncodeTextOptions,
  Pooling,
  PoolTextOptions,
} from './models/encode-text-options.js';
export { FeatureCache, type FeatureCacheOptions } from './models/feature-cache.js';
export {
  type DenseNetOptions,
  type ExtractedFeatures,
  type ExtractOptions,
  FeatureExtractor,
  type FidMode,
  type InceptionLayer,
  type InceptionOptions,
} from './models/feature-extractor.js';
export type { CheckpointOptions, ModelOptions } from './models/model-folder.js';
export type { NewModelOptions } from './models/new-model.js';
export { SafetyChecker } from './models/safety-checker.js';
export type { SaveOptions } from './models/save-model.js';
export { TextEncoder } from './models/text-encoder.js';
export type { TextEncoderInputs, TextForwardOptions } from './models/text-forward.js';
export {
  TextProjection,
  type TextProjectionConfig,
  type TextProjectionOptions,
} from './models/text-projection.js';
export type { TextEncoderStates, TextEncoding } from './models/text-states.js';
export type { TextBatch, TextSource } from './models/text-stream.js';
export type { TextualInversionSource } from './models/textual-inversion.js';
export { UNet, type UNetInputs } from './models/unet.js';
export type { JobOptions } from './native/addon.js';
export type { LibTorch } from './native/libtorch.js';
export type { NativeObject } from './native/native-object.js';
export { NoiseSource } from './noise-source.js';
export { defaultModelFolder, defaultModelSettings } from './pipeline/default-model.js';
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
export { modelDigest, type WeightSource } from './pipeline/model-digest.js';
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
export type { Interval } from './study/augmentation/auroc-intervals.js';
export type { TrainingArm } from './study/augmentation/cells.js';
export type {
  ClassifierTrainer,
  ClassifierTraining,
  LabelledImage,
  TrainedClassifier,
} from './study/augmentation/classifier-trainer.js';
export { evaluateAugmentation } from './study/augmentation/evaluate-augmentation.js';
export type {
  AugmentEvaluationOptions,
  AugmentEvaluationProgress,
} from './study/augmentation/evaluate-options.js';
export type {
  AugmentationEvaluation,
  EvaluationRow,
} from './study/augmentation/evaluation-results.js';
export {
  type NetworkTrainerOptions,
  networkTrainer,
} from './study/augmentation/network-trainer.js';
export type { Verdict } from './study/augmentation/verdict.js';
export * as study from './study/index.js';
export {
  type DType,
  type ResizeOptions,
  Tensor,
  type TensorOptions,
  type TypedArray,
} from './tensor.js';
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
} from './training/autoencoder-trainer.js';
export type { ClassifierReport, LabelReport } from './training/classifier-report.js';
export type { CacheOptions } from './training/data/cache-options.js';
export type { Fingerprint } from './training/data/data-digest.js';
export {
  type CachedLatents,
  LatentCache,
  type LatentCacheOptions,
} from './training/data/latent-cache.js';
export type { Resize } from './training/data/placement.js';
export {
  epochOrder,
  SampleOrder,
  type StepSamplesOptions,
  stepSamples,
} from './training/data/sample-order.js';
export { latentMask } from './training/data/sample-tensors.js';
export type { CacheProgress } from './training/data/shard-cache.js';
export {
  type CachedTextStates,
  type EncodedTexts,
  TextStateCache,
  type TextStateCacheOptions,
} from './training/data/text-state-cache.js';
export type { TrainingBatch, TrainingBatchRequest } from './training/data/training-batch.js';
export { openTrainingData, TrainingData } from './training/data/training-data.js';
export type { TrainingDataOptions } from './training/data/training-data-options.js';
export type { TrainingSample } from './training/data/training-sample.js';
export type { TrainingSource } from './training/data/training-source.js';
export {
  type DenoiserBatch,
  type DenoiserLosses,
  type DenoiserModels,
  type DenoiserPart,
  DenoiserTrainer,
  type DenoiserTrainerOptions,
  type DenoiserUpdate,
  type LoraTrainingOptions,
} from './training/denoiser-trainer.js';
export {
  type ClassifierEvaluation,
  type EvaluateClassifierOptions,
  type EvaluatedLabel,
  evaluateClassifier,
} from './training/evaluate-classifier.js';
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
export { train } from './training/train.js';
export { trainClassifier } from './training/train-classifier.js';
export {
  type ClassifierEpoch,
  type ClassifierRecord,
  classifierTrainConfig,
  type TrainClassifierOptions,
  type TrainClassifierResult,
} from './training/train-classifier-options.js';
export type {
  TrainCallbacks,
  TrainProgress,
  TrainResult,
  TrainStep,
} from './training/train-events.js';
export {
  type TrainConfig,
  type TrainingMethod,
  type TrainOptions,
  trainConfig,
  trainingMethods,
} from './training/train-options.js';
export type { StepPosition, Trainer } from './training/trainer.js';
export type { EmaOptions, OptimizerOptions } from './training/trainer-options.js';
