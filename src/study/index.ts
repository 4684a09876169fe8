/** Whole experiments, each with its figures as JSON and as a page: `study.textEncoders({ … })` … */
export { autoencoder } from './autoencoder/autoencoder.js';
export type {
  LabelKept,
  NetworkFindings,
  ReconstructionDistance,
} from './autoencoder/network-view.js';
export type { AutoencoderStudyOptions } from './autoencoder/options.js';
export type { AutoencoderStudy, DatasetReconstruction } from './autoencoder/results.js';
export type { Distribution, ImageFigures, Measure } from './autoencoder/similarities.js';
export type { Spectra } from './autoencoder/spectra.js';
export { fineTuning } from './fine-tuning/fine-tuning.js';
export type { LabelSeen } from './fine-tuning/labels-seen.js';
export {
  type FineTuningStudyOptions,
  type FineTuningVariant,
  fineTuningVariants,
  type LearnedWord,
  type StudiedPrompt,
} from './fine-tuning/options.js';
export type { FineTuningStudy, PromptResult, VariantResult } from './fine-tuning/results.js';
export type { MeasuringOptions, SetDistance } from './image-sets.js';
export type { StudyOptions, StudyProgress } from './options.js';
export type { StudyFiles } from './output.js';
export type { SensitivityResult } from './text-encoders/contrasts.js';
export type { EmbeddingMap, GeometryResult } from './text-encoders/geometry.js';
export type {
  StudiedEncoder,
  StudiedText,
  TextEncoderStudyOptions,
} from './text-encoders/options.js';
export type { ProbeResult } from './text-encoders/probes.js';
export type {
  CorpusDescription,
  CorpusResult,
  EncoderResult,
  TextEncoderStudy,
} from './text-encoders/results.js';
export { textEncoders } from './text-encoders/text-encoders.js';
