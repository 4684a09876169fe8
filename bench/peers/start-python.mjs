// Starts a peer: a Python program of this folder that prints "ready", then a line for each line that it is sent.
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));

/** Undefined, and said on stderr, where PYTHON is not set or the program ends before it is ready. */
export async function startPython(program, args) {
  const { PYTHON } = process.env;
  if (!PYTHON) {
    console.error(`PYTHON is not set: nothing is compared with ${program}`);
    return undefined;
  }
  const peer = spawn(PYTHON, [join(here, program), ...args.map(String)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: peer.stdout })[Symbol.asyncIterator]();
  if ((await lines.next()).value !== 'ready') {
    console.error(`${program} did not start: nothing is compared with it`);
    return undefined;
  }
  return {
    async ask(line) {
      peer.stdin.write(`${line}\n`);
      const { value, done } = await lines.next();
      if (done) throw new Error(`${program} ended`);
      return JSON.parse(value);
    },
    end: () => peer.stdin.end(),
  };
}
