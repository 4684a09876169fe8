import { InvalidArgumentError } from 'commander';
import { LatentrayError } from '../index.js';

/** A whole number, for commander. */
export function integer(text: string): number {
  if (!/^-?\d+$/.test(text)) throw new InvalidArgumentError('expected a whole number.');
  return Number(text);
}

/** A whole number from 1, for commander. */
export function positiveInteger(text: string): number {
  const value = integer(text);
  if (value < 1) throw new InvalidArgumentError('expected 1 or more.');
  return value;
}

/** A number, for commander. */
export function number(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) {
    throw new InvalidArgumentError('expected a number.');
  }
  return value;
}

/** A share, from above 0 to 1, for commander. */
export function share(text: string): number {
  const value = number(text);
  if (value <= 0 || value > 1) throw new InvalidArgumentError('expected above 0 and up to 1.');
  return value;
}

/** Seeds from 0 to 2⁶⁴ − 1, separated by commas. */
export function seeds(text: string): bigint[] {
  const parts = text.split(',');
  if (!parts.every((part) => /^\d+$/.test(part))) {
    throw new InvalidArgumentError('expected whole numbers separated by commas.');
  }
  return parts.map(BigInt);
}

/** Ctrl-C, or a batch system's SIGTERM, stops the work within a step; a second one ends the process at once. */
export function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  const stops = [
    { name: 'SIGINT', exitCode: 130, message: 'stopped by Ctrl-C' },
    { name: 'SIGTERM', exitCode: 143, message: 'stopped by SIGTERM' },
  ] as const;
  for (const { name, exitCode, message } of stops) {
    process.once(name, () => {
      process.exitCode = exitCode;
      controller.abort(new LatentrayError('ERR_INTERRUPTED', message));
    });
  }
  return controller.signal;
}

/** Results as JSON on stdout; seeds are beyond what JSON numbers hold. */
export function printJson(value: unknown): void {
  const text = JSON.stringify(
    value,
    (_, item) => (typeof item === 'bigint' ? String(item) : item),
    2,
  );
  process.stdout.write(`${text}\n`);
}
