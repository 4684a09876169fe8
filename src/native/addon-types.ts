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

export interface UNetHandle extends ModelHandle {
  readonly options: { inChannels: number; outChannels: number; crossAttentionDim: number };
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

export type NoiseSourceHandle = Disposable;

export interface SchedulerHandle extends Disposable {
  readonly timesteps: number[];
  readonly sigmas: number[];
  readonly initNoiseSigma: number;
  readonly order: number;
  readonly config: string;
  setTimesteps(steps: number | { timesteps: number[] } | { sigmas: number[] }): void;
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
}

export interface TextEncoderOutput {
  lastHiddenState: TensorHandle;
  hiddenStates: TensorHandle[];
  poolerOutput?: TensorHandle;
  projection?: TensorHandle;
  skipped?: TensorHandle;
}

export interface DenoisingInputs {
  promptEmbeddings: TensorHandle;
  promptMask: TensorHandle | null;
  negativePromptEmbeddings: TensorHandle | null;
  negativePromptMask: TensorHandle | null;
  guidanceScale: number;
  guidanceRescale: number;
  eta: number;
  steps: number;
  seeds: bigint[];
  height: number;
  width: number;
  latents: TensorHandle | null;
}

export interface Pieces {
  slicing: boolean;
  tileSize: number | null;
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
  saveTensors(
    path: string,
    tensors: Record<string, TensorHandle>,
    metadata: Record<string, string>,
    token: Token,
  ): Promise<void>;

  loadTextEncoder(source: ModelSource, token: Token): Promise<TextEncoderHandle>;
  textEncoderForward(
    encoder: TextEncoderHandle,
    inputIds: TensorHandle,
    attentionMask: TensorHandle | null,
    options: { hiddenStates: boolean; skipLayers: number },
    token: Token,
  ): Promise<TextEncoderOutput>;

  loadUNet(source: ModelSource, token: Token): Promise<UNetHandle>;
  unetForward(
    unet: UNetHandle,
    sample: TensorHandle,
    timesteps: readonly number[],
    encoderHiddenStates: TensorHandle,
    encoderAttentionMask: TensorHandle | null,
    token: Token,
  ): Promise<TensorHandle>;

  loadAutoencoder(source: ModelSource, token: Token): Promise<AutoencoderHandle>;
  loadTaesd(source: ModelSource, token: Token): Promise<AutoencoderHandle>;
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
  bytesToPixels(bytes: TensorHandle, token: Token): Promise<TensorHandle>;
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

  startDenoising(
    unet: UNetHandle,
    scheduler: SchedulerHandle,
    inputs: DenoisingInputs,
    token: Token,
  ): Promise<DenoisingRunHandle>;

  imageSimilarity(
    metric: 'rmse' | 'psnr' | 'ssim' | 'msSsim',
    a: TensorHandle,
    b: TensorHandle,
    dataRange: number,
    border: 'cropped' | 'reflected',
    token: Token,
  ): Promise<TensorHandle>;
}
