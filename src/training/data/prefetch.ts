/**
 * Starts jobs before their results are asked for, in order: while one result is used, up to `ahead` others
 * wait or are being made. What nobody took is disposed of.
 */
export async function* prefetched<Request, Result extends { dispose(): void }>(
  requests: Iterable<Request>,
  ahead: number,
  start: (request: Request) => Promise<Result>,
): AsyncGenerator<Result> {
  const waiting: Promise<Result>[] = [];
  try {
    for (const request of requests) {
      const job = start(request);
      job.catch(() => {}); // heard of when its turn comes
      waiting.push(job);
      if (waiting.length > ahead) yield await (waiting.shift() as Promise<Result>);
    }
    while (waiting.length > 0) yield await (waiting.shift() as Promise<Result>);
  } finally {
    for (const job of waiting) {
      job.then(
        (result) => result.dispose(),
        () => {},
      );
    }
  }
}
