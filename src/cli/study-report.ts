import type { study } from '../index.js';
import { printJson } from './options.js';
import { ProgressBar } from './progress-bar.js';

/** Where a study stands, on stderr: a bar for each stage. */
export class StudyReport {
  #stage = '';
  #bar = new ProgressBar('');

  readonly update = ({ stage, done, total }: study.StudyProgress): void => {
    if (stage !== this.#stage) {
      this.#bar.end();
      this.#bar = new ProgressBar(stage);
      this.#stage = stage;
    }
    this.#bar.update(done, total);
  };

  end(): void {
    this.#bar.end();
  }
}

/** The paths of a study's files, or all of its figures. */
export function printStudy(result: { readonly files: study.StudyFiles }, json?: boolean): void {
  if (json) printJson(result);
  else process.stdout.write(`${result.files.results}\n${result.files.report}\n`);
}
