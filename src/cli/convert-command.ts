import type { Command } from 'commander';
import { type ConvertOptions, convert } from '../index.js';
import { interruptSignal } from './options.js';

/** `latentray convert`: a checkpoint in another form. */
export function registerConvertCommand(program: Command): void {
  program
    .command('convert')
    .description(
      'write a checkpoint in another form: PyTorch files as safetensors, an original single file ' +
        'as a folder in the diffusers layout or back, any of them in another dtype',
    )
    .argument('<from>', 'a .safetensors, .bin, .ckpt or .pt file, or a folder')
    .argument('<to>', 'a .safetensors file, or a folder')
    .option(
      '--to <form>',
      'diffusers (a folder), original (one file) or safetensors (names as they are); ' +
        'by default what the name of <to> says',
    )
    .option('--dtype <name>', 'float32, float16 or bfloat16; by default as it is')
    .option('--config <folder>', 'for an original file: the folder with its configs')
    .option('--ema', 'of two U-Nets in an original file, take the moving average')
    .option('--no-ema', 'of two U-Nets in an original file, take the last training state')
    .option('--variant <name>', 'which published variant of a folder to read, such as fp16')
    .action(async (from: string, to: string, flags: ConvertOptions) => {
      await convert(from, to, { ...flags, signal: interruptSignal() });
      process.stderr.write(`${to}\n`);
    });
}
