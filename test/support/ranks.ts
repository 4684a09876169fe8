import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const fixtures = join(fileURLToPath(import.meta.url), '../../training/fixtures');

/** A port that nobody has: the system's choice, given back. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** A process of test/training/fixtures. */
export interface Rank {
  readonly process: ChildProcess;
  readonly exit: Promise<{ code: number | null; lines: string[] }>;
  /** Resolves when stdout has the line; rejects when the process ends without it. */
  line(text: string): Promise<void>;
}

/** Starts a program of the fixtures as torchrun would. Without a place, as one process alone. */
export function startRank(
  program: string,
  args: readonly string[],
  place?: { rank: number; worldSize: number; port: number },
): Rank {
  const variables: Record<string, string | undefined> = {
    ...process.env,
    RANK: undefined,
    WORLD_SIZE: undefined,
    ...(place && {
      RANK: String(place.rank),
      WORLD_SIZE: String(place.worldSize),
      LOCAL_RANK: String(place.rank),
      MASTER_ADDR: '127.0.0.1',
      MASTER_PORT: String(place.port),
    }),
  };
  const child = spawn(process.execPath, [...process.execArgv, join(fixtures, program), ...args], {
    env: variables,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines: string[] = [];
  let ended = false;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    lines.push(...text.split('\n').filter(Boolean));
  });
  const exit = new Promise<{ code: number | null; lines: string[] }>((resolve) =>
    child.on('close', (code) => {
      ended = true;
      resolve({ code, lines });
    }),
  );
  const line = async (text: string) => {
    while (!lines.includes(text)) {
      if (ended) throw new Error(`ended without '${text}': ${lines.join('; ')}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  return { process: child, exit, line };
}
