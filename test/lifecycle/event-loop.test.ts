import { readFile } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { loadTinyPipeline, quick } from '../support/tiny-pipeline.js';

/** Milliseconds that each tick of a 10 ms timer was late. */
function watchTimer(): () => number[] {
  const late: number[] = [];
  let expected = performance.now() + 10;
  const timer = setInterval(() => {
    const now = performance.now();
    late.push(now - expected);
    expected = now + 10;
  }, 10);
  return () => {
    clearInterval(timer);
    return late;
  };
}

t.test('timers and files go on while a pipeline generates', async (t) => {
  using pipeline = await loadTinyPipeline();
  const stop = watchTimer();
  const reads: number[] = [];
  let generating = true;
  const job = pipeline
    .generate({ ...quick, steps: 60, width: 128, height: 128, output: 'latents' })
    .finally(() => {
      generating = false;
    });
  while (generating) {
    const startedAt = performance.now();
    await readFile(fileURLToPath(import.meta.url));
    reads.push(performance.now() - startedAt);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await job;
  const late = stop();
  // One reading on a shared machine says nothing: the share of late ones does.
  const share = (values: number[]) => values.filter((ms) => ms > 50).length / values.length;
  t.ok(late.length > 20, `${late.length} ticks`);
  t.ok(share(late) <= 0.02, `ticks over 50 ms late: ${share(late)}`);
  t.ok(share(reads) <= 0.02, `reads over 50 ms: ${share(reads)} of ${reads.length}`);
});
