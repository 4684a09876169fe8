import type { Command } from 'commander';
import { type CheckpointDescription, inspect } from '../index.js';
import { printJson } from './options.js';

interface InspectFlags {
  variant?: string;
  json?: boolean;
}

/** `latentray inspect`: what a checkpoint holds. */
export function registerInspectCommand(program: Command): void {
  program
    .command('inspect')
    .description('list the tensors of a checkpoint: names, shapes, dtypes, bytes; reads no weights')
    .argument('<path>', 'a .safetensors, .bin, .ckpt or .pt file, or a folder')
    .option('--variant <name>', 'which published variant of a folder to look at, such as fp16')
    .option('--json', 'print everything as JSON')
    .action(async (path: string, { variant, json }: InspectFlags) => {
      const description = await inspect(path, { variant });
      if (json) printJson(description);
      else process.stdout.write(table(description));
    });
}

function table({ layout, tensors, parameters, bytes, metadata }: CheckpointDescription): string {
  const rows = tensors.map(({ name, part, shape, dtype, bytes: size }) =>
    [part ? `${part}/${name}` : name, `[${shape.join(', ')}]`, dtype, String(size)].join('\t'),
  );
  const notes = Object.entries(metadata).map(([key, value]) => `# ${key}: ${value.slice(0, 200)}`);
  const total = `# ${tensors.length} tensors, ${parameters} parameters, ${bytes} bytes, layout: ${layout}`;
  return `${[...rows, ...notes, total].join('\n')}\n`;
}
