// Images over HTTP. One image is made at a time; so many requests wait, and more are sent away at once with 503 and a time
// to come back (back-pressure). A client that hangs up takes its request out of the queue, or stops its image within a
// step. SIGTERM lets what was begun end.
//
//   node examples/server.ts <pipeline folder> [port] [how many may wait]
//   curl -X POST localhost:8080/images -H 'content-type: application/json' -d '{"prompt": "Left effusion."}' -o image.png
import Fastify from 'fastify';
import { LatentrayError, Pipeline } from 'latentray';

const [model, port = '8080', mayWait = '8'] = process.argv.slice(2);
if (!model) throw new Error('usage: server.ts <pipeline folder> [port] [how many may wait]');

/** Runs one thing after the other, and keeps no more waiting than it was told. */
class Queue {
  readonly #limit: number;
  readonly #waiting: (() => void)[] = [];
  #busy = false;
  #secondsEach = 1;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  get isFull(): boolean {
    return this.#busy && this.#waiting.length >= this.#limit;
  }

  /** When a place is likely to be free. */
  get retryAfter(): number {
    return Math.ceil(this.#secondsEach * (this.#waiting.length + 1));
  }

  async run<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    if (this.#busy) await this.#turn(signal);
    signal.throwIfAborted();
    this.#busy = true;
    const startedAt = performance.now();
    try {
      return await work();
    } finally {
      this.#secondsEach = (performance.now() - startedAt) / 1000;
      this.#next();
    }
  }

  #next(): void {
    const next = this.#waiting.shift();
    this.#busy = next !== undefined;
    next?.();
  }

  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        const at = this.#waiting.indexOf(enter);
        if (at >= 0) this.#waiting.splice(at, 1);
        reject(signal.reason);
      };
      const enter = () => {
        signal.removeEventListener('abort', leave);
        resolve();
      };
      this.#waiting.push(enter);
      signal.addEventListener('abort', leave, { once: true });
    });
  }
}

const pipeline = await Pipeline.load(model);
const queue = new Queue(Number(mayWait));
const server = Fastify({
  bodyLimit: 16_384,
  keepAliveTimeout: 1000, // a connection that is kept for no request holds up the end
});

const size = { type: 'integer', minimum: 64, maximum: 1024, multipleOf: 8 };
const body = {
  type: 'object',
  required: ['prompt'],
  additionalProperties: false,
  properties: {
    prompt: { type: 'string', minLength: 1, maxLength: 2000 },
    negativePrompt: { type: 'string', maxLength: 2000 },
    steps: { type: 'integer', minimum: 1, maximum: 100 },
    guidanceScale: { type: 'number', minimum: 0, maximum: 30 },
    seed: { type: 'integer', minimum: 0 },
    width: size,
    height: size,
  },
};
interface ImageRequest {
  readonly prompt: string;
  readonly negativePrompt?: string;
  readonly steps?: number;
  readonly guidanceScale?: number;
  readonly seed?: number;
  readonly width?: number;
  readonly height?: number;
}

server.post<{ Body: ImageRequest }>('/images', { schema: { body } }, async (request, reply) => {
  if (queue.isFull) {
    reply.code(503).header('retry-after', queue.retryAfter);
    return { error: 'too many requests are waiting' };
  }
  const controller = new AbortController();
  const { signal } = controller;
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) controller.abort(new Error('the client hung up'));
  });
  try {
    const { images, seeds } = await queue.run(
      () => pipeline.generate({ steps: 25, ...request.body, signal }),
      signal,
    );
    const png = await images[0]?.toBuffer('png');
    return reply.type('image/png').header('x-seed', String(seeds[0])).send(png);
  } catch (error) {
    if (signal.aborted) {
      console.log('cancelled'); // nobody is there to hear of it
      return reply.hijack();
    }
    if (!LatentrayError.isInstance(error) || error.code !== 'ERR_INVALID_ARG') throw error;
    reply.code(400);
    return { error: error.message };
  }
});

server.get('/status', async () => ({ waiting: queue.waiting, full: queue.isFull }));

console.log(await server.listen({ port: Number(port), host: '127.0.0.1' }));
process.once('SIGTERM', async () => {
  await server.close(); // answers what was asked before, and takes no more
  pipeline.dispose();
  console.log('closed');
});
