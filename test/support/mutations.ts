import { writeFileSync } from 'node:fs';
import fc from 'fast-check';
import type { Test } from 'tap';
import { LatentrayError } from '../../src/index.js';
import { stringifyPythonJson } from '../../src/json.js';

/** Of each kind of file. */
const mutationCount = 10_000;

/** A file that is changed again and again, and what reads it. */
export interface MutatedFile<Content extends string | Buffer> {
  /** Where `read` looks for it; by default it gets the content alone. */
  readonly path?: string;
  readonly mutations: fc.Arbitrary<Content>;
  /** Reads the file, and uses what it read. */
  read(content: Content): Promise<unknown>;
  /** How many files of this kind share the mutations. @default 1 */
  readonly sharedBy?: number;
  /** Processor time of one file. @default 100 */
  readonly maxCpuMs?: number;
  /** The codes with which a broken file may be refused. */
  readonly codes: readonly string[];
}

/** Small files are read or refused at once, whoever else uses the machine. */
const defaultCpuMs = 100;
/** Above what garbage of JavaScript's adds up to. */
const maxGrowth = 512 * 2 ** 20;

/**
 * 10,000 mutations of a kind of file, each read or refused by one of the codes: no other error, no long computation,
 * no memory out of proportion.
 */
export async function surviveMutations<Content extends string | Buffer>(
  t: Test,
  file: MutatedFile<Content>,
): Promise<void> {
  const startedAt = performance.now();
  const before = process.resourceUsage().maxRSS * 1024;
  const counts = { read: 0, refused: 0 };
  await fc.assert(
    fc.asyncProperty(file.mutations, async (content) => {
      if (file.path) writeFileSync(file.path, content);
      const refused = await attempt(() => file.read(content), file);
      counts[refused ? 'refused' : 'read']++;
    }),
    {
      numRuns: Math.ceil(mutationCount / (file.sharedBy ?? 1)),
      seed: 20261125,
      includeErrorInReport: true,
      verbose: 0,
    },
  );
  const growth = process.resourceUsage().maxRSS * 1024 - before;
  t.ok(growth < maxGrowth, `the memory grew by ${growth} bytes`);
  t.ok(counts.read > 0 && counts.refused > 0, JSON.stringify(counts));
  t.comment(`${JSON.stringify(counts)} in ${Math.round(performance.now() - startedAt)} ms`);
}

/** Tries of a file that was slow: a slow one stays slow, garbage is not collected every time. */
const mostTries = 3;

/** Whether the file was refused. */
async function attempt(
  read: () => Promise<unknown>,
  { codes, maxCpuMs = defaultCpuMs }: Pick<MutatedFile<never>, 'codes' | 'maxCpuMs'>,
): Promise<boolean> {
  let cpuMs = 0;
  for (let tries = 0; tries < mostTries; ++tries) {
    const start = process.cpuUsage();
    const refused = await isRefused(read, codes);
    const { user, system } = process.cpuUsage(start);
    cpuMs = (user + system) / 1000;
    if (cpuMs < maxCpuMs) return refused;
  }
  throw new Error(`took ${cpuMs} ms`);
}

async function isRefused(read: () => Promise<unknown>, codes: readonly string[]): Promise<boolean> {
  try {
    await read();
    return false;
  } catch (error) {
    if (LatentrayError.isInstance(error) && codes.includes(error.code)) return true;
    throw error;
  }
}

const place = fc.nat({ max: 2 ** 30 });
const fewEdits = { minLength: 1, maxLength: 3 };

const insertions = [
  '\n',
  ' ',
  '\0',
  '"',
  '{',
  ']',
  '\u{1F600}',
  '\ud800',
  '\\u0000',
  '9'.repeat(30),
];

const textEdit = fc.oneof(
  fc.record({ at: place, remove: fc.nat(16), insert: fc.constant('') }),
  fc.record({ at: place, remove: fc.nat(1), insert: fc.string({ unit: 'binary', maxLength: 4 }) }),
  fc.record({ at: place, remove: fc.nat(2), insert: fc.constantFrom(...insertions) }),
  fc.record({ at: place, remove: fc.constant(2 ** 30), insert: fc.constant('') }), // cut off
);

/** Characters removed, put in and replaced, or the end cut off. */
export function mutatedText(original: string): fc.Arbitrary<string> {
  return fc.array(textEdit, fewEdits).map((edits) =>
    edits.reduce((text, { at, remove, insert }) => {
      const start = at % (text.length + 1);
      return text.slice(0, start) + insert + text.slice(start + remove);
    }, original),
  );
}

/** Bytes changed, removed and put in, or the end cut off. */
export function mutatedBytes(original: Buffer): fc.Arbitrary<Buffer> {
  const bytes = fc.uint8Array({ maxLength: 8 });
  const end = fc.constant(2 ** 30);
  const edit = fc.record({
    at: place,
    remove: fc.oneof({ arbitrary: fc.nat(8), weight: 9 }, { arbitrary: end, weight: 1 }),
    insert: fc.oneof(bytes, fc.constant(new Uint8Array(8).fill(255))),
  });
  return fc.array(edit, fewEdits).map((edits) =>
    edits.reduce((data, { at, remove, insert }) => {
      const start = at % (data.length + 1);
      return Buffer.concat([data.subarray(0, start), insert, data.subarray(start + remove)]);
    }, original),
  );
}

const hostileValues: readonly unknown[] = [
  null,
  true,
  false,
  '',
  'x',
  '../../etc/passwd',
  '__proto__',
  '\0',
  'y'.repeat(1000),
  0,
  -1,
  1,
  0.5,
  1e-300,
  -0.0,
  2 ** 31,
  2 ** 53,
  1e12,
  1e308,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  [],
  {},
  [[]],
  [1],
  [-1, 0],
  Array(64).fill(64),
  Array(300).fill(1),
  { content: 'x' },
  { toString: 1, toJSON: 1 },
  { __proto__: null, type: 'x' },
  JSON.parse(`${'['.repeat(400)}${']'.repeat(400)}`),
];

type Path = readonly (string | number)[];

const jsonEdit = fc.record({
  at: place,
  action: fc.constantFrom('replace', 'replace', 'replace', 'delete', 'rename', 'repeat', 'scale'),
  value: fc.oneof(fc.constantFrom(...hostileValues), fc.jsonValue({ maxDepth: 2 })),
  factor: fc.constantFrom(-1, 0.5, 2, 3, 1000, 1e6, 1e12),
});

/** Values replaced, removed, renamed, repeated and multiplied; every other time characters are changed. */
export function mutatedJson(original: string): fc.Arbitrary<string> {
  const parsed: unknown = JSON.parse(original);
  const paths = pathsOf(parsed);
  const structural = fc.array(jsonEdit, fewEdits).map((edits) => {
    const whole = { root: structuredClone(parsed) };
    for (const edit of edits) {
      change(whole, ['root', ...(paths[edit.at % paths.length] as Path)], edit);
    }
    return stringifyPythonJson(whole.root ?? null);
  });
  return fc.oneof(
    { arbitrary: structural, weight: 2 },
    { arbitrary: mutatedText(original), weight: 1 },
  );
}

function pathsOf(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([key, item]) => pathsOf(item, [...path, key]))];
}

interface JsonEdit {
  readonly action: string;
  readonly value: unknown;
  readonly factor: number;
}

// biome-ignore lint/suspicious/noExplicitAny: any JSON
function change(root: any, path: Path, { action, value, factor }: JsonEdit): void {
  let parent = root;
  for (const key of path.slice(0, -1)) parent = parent?.[key];
  const key = path.at(-1) as string;
  // An earlier edit may have replaced it.
  if (typeof parent !== 'object' || parent === null || !Object.hasOwn(parent, key)) return;
  const old = parent[key];
  if (action === 'replace') parent[key] = value;
  if (action === 'scale') parent[key] = typeof old === 'number' ? old * factor : [old];
  if (action === 'repeat') parent[key] = Array.isArray(old) ? [...old, ...old] : [old, old];
  if (action === 'delete' || action === 'rename') delete parent[key];
  if (action === 'rename') set(parent, typeof value === 'string' ? value : '__proto__', old);
}

function set(parent: object, key: string, value: unknown): void {
  Object.defineProperty(parent, key, {
    value,
    configurable: true,
    enumerable: true,
    writable: true,
  });
}
