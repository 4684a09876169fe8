import type { Command } from 'commander';
import { registerAutoencoderStudy } from './study-autoencoder.js';
import { registerFineTuningStudy } from './study-fine-tuning.js';
import { registerTextEncoderStudy } from './study-text-encoders.js';

/** `latentray study`: whole experiments, each with results.json and report.html. */
export function registerStudyCommand(program: Command): void {
  const command = program
    .command('study')
    .description(
      'run a whole experiment and write results.json and a report.html that needs no network',
    );
  registerAutoencoderStudy(command);
  registerTextEncoderStudy(command);
  registerFineTuningStudy(command);
}
