/** What the addon exports: one typed description of everything native. Handles are opaque here. */

export type DType =
  | 'float32'
  | 'float64'
  | 'float16'
  | 'bfloat16'
  | 'int8'
  | 'uint8'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'bool';

interface Disposable {
  readonly disposed: boolean;
  dispose(): void;
}

export interface CancelToken {
  cancel(): void;
}

export interface TensorHandle extends Disposable {
  readonly shape: number[];
  readonly dtype: DType;
  readonly device: string;
  readonly byteLength: number;
  buffer(): ArrayBuffer;
}

export interface ModelHandle extends Disposable {
  readonly device: string;
  readonly dtype: DType;
}

export interface TextEncoderHandle extends ModelHandle {
  readonly hiddenSize: number;
  readonly maxLength: number;
}

export interface TextProjectionHandle extends ModelHandle {
  readonly inFeatures: number;
  readonly outFeatures: number;
}

export interface UNetHandle extends ModelHandle {
  readonly options: {
    inChannels: number;
    outChannels: number;
    crossAttentionDim: number;
    timeCondProjDim: number | null;
  };
}

export interface ControlNetHandle extends ModelHandle {
  readonly options: {
    inChannels: number;
    crossAttentionDim: number;
    conditioningChannels: number;
    downscale: number;
  };
}

export interface AutoencoderHandle extends ModelHandle {
  readonly latentSpace: {
    pixelChannels: number;
    latentChannels: number;
    downscale: number;
    scalingFactor: number;
    shiftFactor: number;
    tileSize: number;
  };
}

export type SafetyCheckerHandle = ModelHandle;

export interface FeatureNetworkHandle extends ModelHandle {
  readonly classes: number;
}

export type FeatureStatisticsHandle = Disposable;

export interface FeatureStatisticsSize {
  count: number;
  width: number;
}

export interface BootstrapRequest {
  /** 0: no interval. */
  draws: number;
  confidence: number;
  seed: bigint;
}

export interface RankingEstimate {
  value: number;
  lower: number;
  upper: number;
  positives: number;
  negatives: number;
}

export type NoiseSourceHandle = Disposable;

export interface SchedulerHandle extends Disposable {
  readonly timesteps: number[];
  readonly sigmas: number[];
  readonly initNoiseSigma: number;
  readonly order: number;
  readonly config: string;
  setTimesteps(steps: StepChoice): void;
}

export type StepChoice = number | { timesteps: number[] } | { sigmas: number[] };

export interface NoisePredictorHandle extends Disposable {
  predict(
    sample: TensorHandle,
    timestep: number,
    step: number,
    steps: number,
    token?: CancelToken,
  ): Promise<TensorHandle>;
}

export interface DenoisingRunHandle extends Disposable {
  readonly timesteps: number[];
  readonly index: number;
  latents(): TensorHandle;
  step(token?: CancelToken): Promise<void>;
}

export interface ModelSource {
  config: string;
  origin: string;
  files: string[];
  device: string;
  dtype: DType;
  ema?: boolean | null;
}

export interface TextEncoderRequest {
  /** Whether the states come back, and not only what is pooled. */
  states: boolean;
  maskPadding: boolean;
  hiddenStates: boolean;
  skipLayers: number;
  layer: number | null;
  pooling: string;
  normalize: boolean;
}

export interface TextEncoderOutput {
  lastHiddenState?: TensorHandle;
  hiddenStates?: TensorHandle[];
  poolerOutput?: TensorHandle;
  projection?: TensorHandle;
  pooled?: TensorHandle;
}

export interface ControlResidualHandles {
  down: TensorHandle[];
  mid: TensorHandle;
}

export interface UNetConditions {
  encoderAttentionMask: TensorHandle | null;
  timestepCond: TensorHandle | null;
  controlResiduals: ControlResidualHandles | null;
}

export interface NoiseConditions {
  promptEmbeddings: TensorHandle;
  promptMask: TensorHandle | null;
  negativePromptEmbeddings: TensorHandle | null;
  negativePromptMask: TensorHandle | null;
  guidanceScale: number;
  guidanceRescale: number;
  guidanceInterval: { start: number; end: number };
  extraChannels: TensorHandle | null;
  controls: {
    model: ControlNetHandle;
    image: TensorHandle;
    scale: number;
    start: number;
    end: number;
  }[];
  guessMode: boolean;
}

export interface DenoisingInputs {
  noise: TensorHandle;
  imageLatents: TensorHandle | null;
  latents: TensorHandle | null;
  known: { mask: TensorHandle; imageLatents: TensorHandle } | null;
  startStep: number;
  eta: number;
  noiseSource: NoiseSourceHandle;
}

/** A model with LoRA adapters, and which part of a file is for it. */
export type LoraTarget = [handle: UNetHandle | TextEncoderHandle, part: 'unet' | 'textEncoder'];

export interface Pieces {
  slicing: boolean;
  tileSize: number | null;
}

export interface ProcessGroupOptions {
  rank: number;
  worldSize: number;
  localRank: number;
  masterAddr: string;
  masterPort: number;
  /** Whether this process keeps the store that the ranks meet at. */
  hostsStore: boolean;
  prefix: string;
  backend: 'gloo' | 'nccl';
  timeoutMs: number;
}

export interface ProcessGroupHandle extends Disposable {
  readonly rank: number;
  readonly worldSize: number;
  barrier(token: Token): Promise<void>;
  sum(numbers: readonly number[], token: Token): Promise<number[]>;
  fail(reason: string, token: Token): Promise<void>;
}

export interface OptimizerOptions {
  name: 'adamw' | 'sgd';
  betas: readonly [number, number];
  eps: number;
  weightDecay: number;
  momentum: number;
}

export interface EmaOptions {
  decay: number;
  invGamma: number | null;
  power: number | null;
}

export interface AutoencoderTrainerOptions {
  decoderOnly: boolean;
  reconstruction: 'l1' | 'l2';
  klWeight: number;
  perceptual: { features: string; linear: string; weight: number } | null;
  discriminator: { channels: number; layers: number; weight: number; startStep: number } | null;
  optimizer: OptimizerOptions;
  maxGradNorm: number | null;
  ema: EmaOptions | null;
  precision: 'float32' | 'bfloat16' | 'float16';
  seed: bigint;
  processGroup: ProcessGroupHandle | null;
}

export interface AutoencoderLosses {
  loss: number;
  reconstruction: number;
  perceptual: number;
  kl: number;
  adversarial: number;
  adversarialWeight: number;
  discriminator: number;
  losses: number[];
}

export interface AutoencoderUpdate {
  gradientNorm: number;
  discriminatorGradientNorm: number;
  skipped: boolean;
  lossScale: number;
}

/** What the handles of trainers have in common. */
export interface TrainerHandle<Update> extends Disposable {
  update(learningRate: number, token: Token): Promise<Update>;
  gradients(token: Token): Promise<Record<string, TensorHandle>>;
  useAverage(average: boolean, token: Token): Promise<void>;
  saveState(path: string, token: Token): Promise<void>;
  loadState(path: string, token: Token): Promise<void>;
}

export interface AutoencoderTrainerHandle extends TrainerHandle<AutoencoderUpdate> {
  accumulate(
    batch: { pixels: TensorHandle; sampleNumbers: readonly number[]; noise: TensorHandle | null },
    position: { step: number; microSteps: number },
    token: Token,
  ): Promise<AutoencoderLosses>;
}

/** A part of the denoiser that can be trained whole. */
export type DenoiserPart = 'unet' | 'textEncoder' | 'textProjection';

export interface DenoiserModels {
  unet: UNetHandle;
  textEncoder: TextEncoderHandle | null;
  textProjection: TextProjectionHandle | null;
  scheduler: SchedulerHandle;
}

export interface DenoiserTrainerOptions {
  trainable: readonly DenoiserPart[];
  /** Layers by the ends of their names; an empty list leaves a part alone. */
  lora: {
    rank: number;
    alpha: number;
    unet: readonly string[];
    textEncoder: readonly string[];
  } | null;
  /** Rows of the token embedding, by token. */
  tokens: Readonly<Record<string, readonly number[]>>;
  snrGamma: number | null;
  noiseOffset: number;
  inputPerturbation: number;
  optimizer: OptimizerOptions;
  maxGradNorm: number | null;
  ema: EmaOptions | null;
  precision: 'float32' | 'bfloat16' | 'float16';
  gradientCheckpointing: boolean;
  seed: bigint;
  processGroup: ProcessGroupHandle | null;
}

export interface DenoiserBatch {
  latents: TensorHandle;
  deviation: TensorHandle | null;
  inputIds: TensorHandle | null;
  attentionMask: TensorHandle | null;
  encoderHiddenStates: TensorHandle | null;
  sampleNumbers: readonly number[];
  lossWeights: readonly number[] | null;
  prior: readonly boolean[] | null;
  mask: TensorHandle | null;
  noise: TensorHandle | null;
  timesteps: readonly number[] | null;
}

export interface DenoiserLosses {
  /** The mean of the samples' losses, each times its weight. */
  loss: number;
  /** Each sample's, min-SNR weight included. */
  losses: number[];
  /** How noisy each sample was. */
  timesteps: number[];
}

export interface DenoiserUpdate {
  /** Of all gradients together, before clipping. */
  gradientNorm: number;
  /** float16: a gradient overflowed, and the weights stayed as they were. */
  skipped: boolean;
  /** What losses were multiplied by in float16, else 1. */
  lossScale: number;
}

export interface DenoiserTrainerHandle extends TrainerHandle<DenoiserUpdate> {
  accumulate(
    batch: DenoiserBatch,
    position: { step: number; microSteps: number },
    token: Token,
  ): Promise<DenoiserLosses>;
  learnedTokens(token: Token): Promise<Record<string, TensorHandle>>;
  saveLora(path: string, token: Token): Promise<void>;
}

export interface ClassifierTrainerOptions {
  optimizer: DenoiserTrainerOptions['optimizer'];
  maxGradNorm: number | null;
  ema: null;
  precision: DenoiserTrainerOptions['precision'];
  processGroup: null;
  posWeight: number[] | null;
  augmentation: { rotation: number; translation: number; zoom: number };
  seed: bigint;
}

export interface ClassifierTrainerHandle extends Disposable {
  accumulate(
    batch: { pixels: TensorHandle; labels: TensorHandle; sampleNumbers: readonly number[] },
    position: { step: number; microSteps: number },
    token: Token,
  ): Promise<{ loss: number; losses: number[] }>;
  update(learningRate: number, token: Token): Promise<{ gradientNorm: number; skipped: boolean }>;
}

export type OpAttributes = Record<string, number | boolean | readonly number[]>;

type Token = CancelToken | undefined;

export interface Addon {
  initialize(makeError: (code: string, message: string, fields: object) => Error): void;
  shutDown(): void;
  createCancelToken(): CancelToken;

  version(): { libtorch: string; cuda: boolean; cpuCapability: string };
  devices(): { name: string; type: 'cpu' | 'cuda' }[];
  totalMemory(device: string): number;
  checkDevice(device: string): void;
  setThreads(threads: number): void;
  getThreads(): number;
  nativeMemory(): { tensors: number; bytes: number };
  executorStatistics(): { jobs: number; busyMs: number; waiting: number };

  tensorFromBytes(bytes: Uint8Array, shape: readonly number[], dtype: DType): TensorHandle;
  fullTensor(shape: readonly number[], value: number, dtype: DType, device: string): TensorHandle;
  tensorTo(tensor: TensorHandle, dtype: DType, device: string, token: Token): Promise<TensorHandle>;
  tensorOp(
    name: string,
    tensors: TensorHandle[],
    attributes: OpAttributes,
    token: Token,
  ): Promise<TensorHandle>;

  createNoiseSource(seeds: bigint[]): NoiseSourceHandle;
  drawNoise(
    source: NoiseSourceHandle,
    shape: readonly number[],
    dtype: DType,
    device: string,
    token: Token,
  ): Promise<TensorHandle>;

  loadTensors(
    paths: string[],
    dtype: DType | null,
    device: string,
    token: Token,
  ): Promise<{ tensors: Record<string, TensorHandle>; metadata: Record<string, string> }>;
  partFromOriginal(
    files: string[],
    path: string,
    part: 'unet' | 'vae' | 'textEncoder',
    config: Pick<ModelSource, 'config' | 'origin'>,
    dtype: DType | null,
    ema: boolean | null,
    token: Token,
  ): Promise<void>;
  originalFromParts(
    files: { unet: string[]; vae: string[]; textEncoder: string[] },
    path: string,
    textConfig: Pick<ModelSource, 'config' | 'origin'>,
    dtype: DType | null,
    token: Token,
  ): Promise<void>;
  saveTensors(
    path: string,
    tensors: Record<string, TensorHandle>,
    metadata: Record<string, string>,
    token: Token,
  ): Promise<void>;

  loadTextEncoder(source: ModelSource, token: Token): Promise<TextEncoderHandle>;
  createTextEncoder(source: ModelSource, token: Token, seed: bigint): Promise<TextEncoderHandle>;
  textEncoderSave(
    encoder: TextEncoderHandle,
    path: string,
    dtype: DType | null,
    token: Token,
  ): Promise<void>;
  textEncoderForward(
    encoder: TextEncoderHandle,
    inputIds: TensorHandle,
    attentionMask: TensorHandle | null,
    request: TextEncoderRequest,
    token: Token,
  ): Promise<TextEncoderOutput>;
  setAddedEmbeddings(
    encoder: TextEncoderHandle,
    ids: readonly number[],
    rows: TensorHandle,
    token: Token,
  ): Promise<void>;
  cosineSimilarity(a: TensorHandle, b: TensorHandle, token: Token): Promise<TensorHandle>;

  loadTextProjection(source: ModelSource, token: Token): Promise<TextProjectionHandle>;
  createTextProjection(
    source: ModelSource,
    token: Token,
    seed: bigint,
  ): Promise<TextProjectionHandle>;
  textProjectionForward(
    projection: TextProjectionHandle,
    states: TensorHandle,
    token: Token,
  ): Promise<TensorHandle>;
  textProjectionSave(
    projection: TextProjectionHandle,
    path: string,
    dtype: DType | null,
    token: Token,
  ): Promise<void>;

  addLora(...request: [...LoraTarget, path: string, name: string, token: Token]): Promise<number>;
  setLoraScales(
    ...request: [...LoraTarget, scales: Record<string, number>, token: Token]
  ): Promise<number>;
  removeLora(...request: [...LoraTarget, name: string, token: Token]): Promise<number>;
  fuseLora(...request: [...LoraTarget, token: Token]): Promise<number>;
  unfuseLora(...request: [...LoraTarget, token: Token]): Promise<number>;

  loadUNet(source: ModelSource, token: Token): Promise<UNetHandle>;
  createUNet(source: ModelSource, token: Token, seed: bigint): Promise<UNetHandle>;
  unetSave(unet: UNetHandle, path: string, dtype: DType | null, token: Token): Promise<void>;
  unetForward(
    unet: UNetHandle,
    sample: TensorHandle,
    timesteps: readonly number[],
    encoderHiddenStates: TensorHandle,
    conditions: UNetConditions,
    token: Token,
  ): Promise<TensorHandle>;

  loadControlNet(source: ModelSource, token: Token): Promise<ControlNetHandle>;
  controlNetForward(
    controlNet: ControlNetHandle,
    sample: TensorHandle,
    timesteps: readonly number[],
    encoderHiddenStates: TensorHandle,
    image: TensorHandle,
    strength: { scale: number; guessMode: boolean },
    encoderAttentionMask: TensorHandle | null,
    token: Token,
  ): Promise<ControlResidualHandles>;

  loadAutoencoder(source: ModelSource, token: Token): Promise<AutoencoderHandle>;
  createAutoencoder(source: ModelSource, token: Token, seed: bigint): Promise<AutoencoderHandle>;
  loadTaesd(source: ModelSource, token: Token): Promise<AutoencoderHandle>;
  autoencoderSave(
    autoencoder: AutoencoderHandle,
    path: string,
    dtype: DType | null,
    token: Token,
  ): Promise<void>;
  autoencoderEncode(
    autoencoder: AutoencoderHandle,
    pixels: TensorHandle,
    pieces: Pieces,
    token: Token,
  ): Promise<{ mean: TensorHandle; logvar?: TensorHandle }>;
  autoencoderDecode(
    autoencoder: AutoencoderHandle,
    latents: TensorHandle,
    scaled: boolean,
    pieces: Pieces,
    token: Token,
  ): Promise<TensorHandle>;
  pixelsToUnitRange(pixels: TensorHandle, token: Token): Promise<TensorHandle>;
  pixelsToBytes(pixels: TensorHandle, token: Token): Promise<TensorHandle>;
  pixelsToGreyBytes(pixels: TensorHandle, token: Token): Promise<TensorHandle>;
  pixelsFromUnitRange(pixels: TensorHandle, token: Token): Promise<TensorHandle>;
  bytesToPixels(bytes: TensorHandle, token: Token): Promise<TensorHandle>;
  setScalingFactor(autoencoder: AutoencoderHandle, factor: number, token: Token): Promise<void>;
  latentSums(
    autoencoder: AutoencoderHandle,
    pixels: TensorHandle,
    token: Token,
  ): Promise<{ count: number; sum: number; sumOfSquares: number }>;
  scaleLatents(
    autoencoder: AutoencoderHandle,
    latents: TensorHandle,
    token: Token,
  ): Promise<TensorHandle>;
  sampleLatents(
    mean: TensorHandle,
    logvar: TensorHandle | null,
    source: NoiseSourceHandle,
    token: Token,
  ): Promise<TensorHandle>;

  createScheduler(name: string, baseConfig: string, overrides: string): SchedulerHandle;
  schedulerScaleModelInput(
    scheduler: SchedulerHandle,
    sample: TensorHandle,
    index: number,
    token: Token,
  ): Promise<TensorHandle>;
  schedulerStep(
    scheduler: SchedulerHandle,
    modelOutput: TensorHandle,
    index: number,
    sample: TensorHandle,
    eta: number,
    source: NoiseSourceHandle | null,
    token: Token,
  ): Promise<TensorHandle>;
  schedulerAddNoise(
    scheduler: SchedulerHandle,
    original: TensorHandle,
    noise: TensorHandle,
    timesteps: readonly number[],
    token: Token,
  ): Promise<TensorHandle>;
  schedulerVelocity(
    scheduler: SchedulerHandle,
    sample: TensorHandle,
    noise: TensorHandle,
    timesteps: readonly number[],
    token: Token,
  ): Promise<TensorHandle>;

  loadSafetyChecker(source: ModelSource, token: Token): Promise<SafetyCheckerHandle>;
  safetyCheckerScores(
    checker: SafetyCheckerHandle,
    bytes: TensorHandle,
    token: Token,
  ): Promise<TensorHandle>;

  createNoisePredictor(
    unet: UNetHandle,
    conditions: NoiseConditions,
    token: Token,
  ): Promise<NoisePredictorHandle>;
  startDenoising(
    predictor: NoisePredictorHandle,
    scheduler: SchedulerHandle,
    steps: StepChoice,
    inputs: DenoisingInputs,
    token: Token,
  ): Promise<DenoisingRunHandle>;
  prepareMask(
    pixels: TensorHandle,
    mask: TensorHandle,
    downscale: number,
    token: Token,
  ): Promise<{ pixels: TensorHandle; latents: TensorHandle; maskedPixels: TensorHandle }>;

  createAutoencoderTrainer(
    autoencoder: AutoencoderHandle,
    options: AutoencoderTrainerOptions,
    token: Token,
  ): Promise<AutoencoderTrainerHandle>;
  createDenoiserTrainer(
    models: DenoiserModels,
    options: DenoiserTrainerOptions,
    token: Token,
  ): Promise<DenoiserTrainerHandle>;
  createProcessGroup(options: ProcessGroupOptions, token: Token): Promise<ProcessGroupHandle>;

  imageSimilarity(
    metric: 'rmse' | 'psnr' | 'ssim' | 'msSsim',
    a: TensorHandle,
    b: TensorHandle,
    dataRange: number,
    border: 'cropped' | 'reflected',
    token: Token,
  ): Promise<TensorHandle>;
  powerSpectrum(images: TensorHandle, token: Token): Promise<TensorHandle>;
  linearProbe(
    features: TensorHandle,
    labels: TensorHandle,
    queries: TensorHandle,
    l2: number,
    token: Token,
  ): Promise<TensorHandle>;
  principalComponents(
    features: TensorHandle,
    count: number,
    token: Token,
  ): Promise<{ scores: TensorHandle; variance: TensorHandle }>;

  loadInception(
    source: ModelSource,
    token: Token,
    mode: 'clean-fid' | 'pytorch-fid' | 'torch-fidelity',
  ): Promise<FeatureNetworkHandle>;
  loadDenseNet(source: ModelSource, token: Token): Promise<FeatureNetworkHandle>;
  loadResNet(source: ModelSource, token: Token): Promise<FeatureNetworkHandle>;
  createResNet(source: ModelSource, token: Token, seed: bigint): Promise<FeatureNetworkHandle>;
  featureNetworkSave(
    network: FeatureNetworkHandle,
    path: string,
    dtype: DType | null,
    token: Token,
  ): Promise<void>;
  createClassifierTrainer(
    network: FeatureNetworkHandle,
    options: ClassifierTrainerOptions,
    token: Token,
  ): Promise<ClassifierTrainerHandle>;
  loadClipImageFeatures(source: ModelSource, token: Token): Promise<FeatureNetworkHandle>;
  featureNetworkForward(
    network: FeatureNetworkHandle,
    pixels: TensorHandle,
    layer: string,
    token: Token,
  ): Promise<{ features: TensorHandle; logits?: TensorHandle; probabilities?: TensorHandle }>;

  createFeatureStatistics(): FeatureStatisticsHandle;
  addFeatures(
    statistics: FeatureStatisticsHandle,
    features: TensorHandle,
    token: Token,
  ): Promise<FeatureStatisticsSize>;
  mergeFeatureStatistics(
    statistics: FeatureStatisticsHandle,
    other: FeatureStatisticsHandle,
    token: Token,
  ): Promise<FeatureStatisticsSize>;
  featureMoments(
    statistics: FeatureStatisticsHandle,
    token: Token,
  ): Promise<{ mean: TensorHandle; covariance: TensorHandle }>;
  saveFeatureStatistics(
    statistics: FeatureStatisticsHandle,
    path: string,
    source: string,
    token: Token,
  ): Promise<void>;
  loadFeatureStatistics(
    path: string,
    token: Token,
  ): Promise<FeatureStatisticsSize & { statistics: FeatureStatisticsHandle; source: string }>;
  frechetDistance(
    a: FeatureStatisticsHandle,
    b: FeatureStatisticsHandle,
    token: Token,
  ): Promise<number>;

  kernelDistance(
    a: TensorHandle,
    b: TensorHandle,
    /** 0: over all rows. */
    subsets: number,
    size: number,
    seed: bigint,
    token: Token,
  ): Promise<[mean: number, deviation: number]>;
  precisionRecall(
    real: TensorHandle,
    made: TensorHandle,
    k: number,
    token: Token,
  ): Promise<[precision: number, recall: number, density: number, coverage: number]>;
  nearestNeighbours(
    rows: TensorHandle,
    references: TensorHandle,
    token: Token,
  ): Promise<{ indices: TensorHandle; distances: TensorHandle }>;

  ranking(
    measure: 'auroc' | 'averagePrecision',
    labels: TensorHandle,
    scores: TensorHandle,
    otherScores: TensorHandle | null,
    bootstrap: BootstrapRequest,
    token: Token,
  ): Promise<RankingEstimate>;
  calibration(
    labels: TensorHandle,
    scores: TensorHandle,
    bins: number,
    token: Token,
  ): Promise<{
    brier: number;
    expectedError: number;
    counts: TensorHandle;
    probabilities: TensorHandle;
    frequencies: TensorHandle;
  }>;
}
