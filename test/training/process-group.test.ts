import { createServer } from 'node:net';
import t from 'tap';
import { ProcessGroup, processGroupFromEnvironment } from '../../src/index.js';
import { freePort, type Rank, startRank } from '../support/ranks.js';

/** All processes of a group, each told to do `action`. */
async function startRanks(...actions: string[]): Promise<Rank[]> {
  const port = await freePort();
  return actions.map((action, rank) =>
    startRank('rank.ts', [action], { rank, worldSize: actions.length, port }),
  );
}

t.test('processes add up their numbers and wait for one another', async (t) => {
  const ranks = await startRanks('sum', 'sum', 'sum');
  for (const rank of ranks) {
    t.same(await rank.exit, { code: 0, lines: ['joined', '[3,0.75]'] });
  }
});

t.test('a killed process ends the others, which name it', async (t) => {
  const ranks = await startRanks('wait', 'wait');
  const [first, second] = ranks as [Rank, Rank];
  await Promise.all(ranks.map((rank) => rank.line('joined')));
  second.process.kill('SIGKILL');
  const killed = Date.now();
  const { code, lines } = await first.exit;
  t.equal(code, 1);
  t.match(
    lines[1],
    /^ERR_PROCESS_GROUP rank 0 of 2 cannot go on: rank 1 \(process \d+ on .*\) stopped without giving a reason/,
  );
  t.match(lines[1], String(second.process.pid));
  t.ok(Date.now() - killed < 15_000, `${Date.now() - killed} ms`);
});

t.test('the process that keeps the store is missed too', async (t) => {
  const ranks = await startRanks('wait', 'wait');
  const [first, second] = ranks as [Rank, Rank];
  await Promise.all(ranks.map((rank) => rank.line('joined')));
  first.process.kill('SIGKILL');
  const { code, lines } = await second.exit;
  t.equal(code, 1);
  t.match(lines[1], /^ERR_PROCESS_GROUP rank 1 of 2 cannot go on: rank 0 at 127.0.0.1:\d+/);
});

t.test('a process that fails ends the others with its reason', async (t) => {
  const [waiting, failing] = (await startRanks('wait', 'fail')) as [Rank, Rank];
  await failing.exit;
  const { code, lines } = await waiting.exit;
  t.equal(code, 1);
  t.match(lines[1], /rank 1 \(process \d+ on .*\) failed: ERR_NON_FINITE: the loss is NaN$/);
});

t.test('alone, everything is there already', async (t) => {
  using group = await ProcessGroup.connect({ rank: 0, worldSize: 1 });
  t.same([group.rank, group.worldSize, group.localRank], [0, 1, 0]);
  await group.barrier();
  t.same(await group.sum([1.5, -2]), [1.5, -2]);
  group.dispose();
  group.dispose();
  t.ok(group.disposed);
  await t.rejects(group.barrier(), { code: 'ERR_DISPOSED' });
  await t.rejects(group.sum([1]), { code: 'ERR_DISPOSED' });
});

t.test('waiting for others stops at a signal, and at the time limit', async (t) => {
  const controller = new AbortController();
  for (const rank of [0, 1]) {
    const joining = ProcessGroup.connect({
      rank,
      worldSize: 2,
      masterPort: await freePort(),
      signal: AbortSignal.any([controller.signal, AbortSignal.timeout(300)]),
    });
    await t.rejects(joining, { name: 'TimeoutError' });
    const late = ProcessGroup.connect({
      rank,
      worldSize: 2,
      masterPort: await freePort(),
      timeoutMs: 300,
    });
    await t.rejects(late, { code: 'ERR_PROCESS_GROUP' });
  }
});

t.test('a taken port is named, and so is one where something else answers', async (t) => {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const address = server.address();
  const masterPort = typeof address === 'object' ? address?.port : undefined;
  await t.rejects(ProcessGroup.connect({ rank: 0, worldSize: 2, masterPort, timeoutMs: 2000 }), {
    code: 'ERR_PROCESS_GROUP',
    message: /port is taken/,
  });
  await t.rejects(ProcessGroup.connect({ rank: 1, worldSize: 2, masterPort, timeoutMs: 2000 }), {
    code: 'ERR_PROCESS_GROUP',
  });
});

t.test('wrong options are named', async (t) => {
  const wrong = [
    {},
    { rank: 0 },
    { rank: 2, worldSize: 2 },
    { rank: -1, worldSize: 2 },
    { rank: 0, worldSize: 0 },
    { rank: 0, worldSize: 2, masterPort: 70_000 },
    { rank: 0, worldSize: 2, backend: 'mpi' },
    { rank: 0, worldSize: 2, timeoutMs: 0 },
    { rank: 0, worldSize: 2, timeout: 5 },
  ];
  for (const options of wrong) {
    await t.rejects(ProcessGroup.connect(options as never), { code: 'ERR_INVALID_ARG' });
  }
  await t.rejects(ProcessGroup.connect({ rank: 0, worldSize: 2, backend: 'nccl' }), {
    code: 'ERR_DEVICE_UNAVAILABLE',
  });
  using group = await ProcessGroup.connect({ rank: 0, worldSize: 1 });
  await t.rejects(group.sum(['1'] as never), { code: 'ERR_INVALID_ARG' });
});

t.test("a launcher's variables say where this process stands", async (t) => {
  t.equal(processGroupFromEnvironment({}), undefined);
  t.equal(processGroupFromEnvironment({ RANK: '', MASTER_PORT: '29500' }), undefined);
  const variables = { RANK: '3', WORLD_SIZE: '8', MASTER_ADDR: 'node-a', MASTER_PORT: '29400' };
  t.same(processGroupFromEnvironment({ ...variables, LOCAL_RANK: '1' }), {
    rank: 3,
    worldSize: 8,
    localRank: 1,
    masterAddr: 'node-a',
    masterPort: 29400,
    launcherHostsStore: false,
    prefix: '',
  });
  const agent = { TORCHELASTIC_USE_AGENT_STORE: 'True', TORCHELASTIC_RESTART_COUNT: '2' };
  t.match(processGroupFromEnvironment({ ...variables, ...agent }), {
    localRank: 0,
    launcherHostsStore: true,
    prefix: 'attempt 2',
  });
  for (const name of Object.keys(variables)) {
    t.throws(() => processGroupFromEnvironment({ ...variables, [name]: '' }), {
      code: 'ERR_INVALID_ARG',
      message: new RegExp(name),
    });
  }
  for (const [name, value] of Object.entries({
    RANK: 'x',
    WORLD_SIZE: '0',
    MASTER_PORT: '99999',
    LOCAL_RANK: '-1',
  })) {
    t.throws(() => processGroupFromEnvironment({ ...variables, [name]: value }), {
      code: 'ERR_INVALID_ARG',
      message: new RegExp(name),
    });
  }
});
