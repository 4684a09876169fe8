#!/usr/bin/env node
import { Command } from 'commander';
import { LatentrayError, version } from '../index.js';
import { registerAugmentCommand } from './augment-command.js';
import { registerClassifierCommand } from './classifier-command.js';
import { registerConvertCommand } from './convert-command.js';
import { registerDemoCommand } from './demo-command.js';
import { registerDoctorCommand } from './doctor-command.js';
import { registerEmbedCommand } from './embed-command.js';
import { registerGenerateCommand } from './generate-command.js';
import { registerInspectCommand } from './inspect-command.js';
import { registerReconstructCommand } from './reconstruct-command.js';
import { registerStudyCommand } from './study-command.js';
import { registerTrainCommand } from './train-command.js';

const program = new Command('latentray')
  .description('Latent diffusion for medical imaging. Research use only; not a medical device.')
  .version(version.latentray)
  .enablePositionalOptions() // what stands behind a command is that command's
  .showHelpAfterError();
registerGenerateCommand(program);
registerReconstructCommand(program);
registerTrainCommand(program);
registerAugmentCommand(program);
registerClassifierCommand(program);
registerStudyCommand(program);
registerConvertCommand(program);
registerInspectCommand(program);
registerEmbedCommand(program);
registerDemoCommand(program);
registerDoctorCommand(program);

program.parseAsync().catch((error: unknown) => {
  // What a user can act on is a sentence; anything else is a defect and shows its stack.
  const expected = LatentrayError.isInstance(error);
  process.stderr.write(
    `${expected ? `${error.code}: ${error.message}` : (error as Error)?.stack}\n`,
  );
  process.exitCode ??= 1;
});
