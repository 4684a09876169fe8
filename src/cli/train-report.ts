import type { TrainProgress, TrainStep } from '../index.js';
import { duration, PhaseReport } from './phase-report.js';

/** What a training run tells. */
export class TrainReport extends PhaseReport {
  /** Of what comes before steps and between them; steps have more to tell. */
  progress(event: TrainProgress): void {
    const { phase, done, total } = event;
    if (phase !== 'training') this.show(event, { line: `${phase} ${done}/${total}` });
  }

  step(event: TrainStep): void {
    const { step, steps } = event;
    this.show(
      { phase: 'training', done: step, total: steps },
      {
        line: `step ${step}/${steps} ${figures(event)}`,
        note: figures(event),
        isLast: step === steps,
      },
    );
  }
}

function figures(event: TrainStep): string {
  return [
    `loss ${event.loss.toPrecision(4)}`,
    `rate ${event.learningRate.toExponential(2)}`,
    `${event.imagesPerSecond.toPrecision(3)} images/s`,
    `${Math.round(event.memory / 2 ** 20)} MiB`,
    `${duration(event.secondsLeft)} left`,
  ].join(', ');
}
