import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { loadTensors, TextEncoder } from '../../src/index.js';
import {
  call,
  dict,
  emptyDict,
  emptyTuple,
  global,
  integer,
  legacyFile,
  list,
  none,
  object,
  orderedDict,
  recall,
  remember,
  tensor,
  text,
  tuple,
  yes,
} from '../support/pickles.js';
import { committed } from '../support/recipe.js';
import { tinyPipelineFolder } from '../support/tiny-pipeline.js';

const values = Float32Array.from({ length: 64 }, (_, index) => index / 64);
const parameter = call(
  global('torch._utils', '_rebuild_parameter'),
  ...[tensor('0', [2, 32]), yes, orderedDict()],
);

/** What a module keeps beside its parameters. */
const moduleState = {
  training: yes,
  _buffers: orderedDict(),
  _non_persistent_buffers_set: call(global('__builtin__', 'set'), list()),
  _backward_hooks: orderedDict(),
  _is_full_backward_hook: none,
  _modules: orderedDict(),
};

const parameterDict = (state: Record<string, Buffer>) =>
  object('torch.nn.modules.container', 'ParameterDict', dict({ ...moduleState, ...state }));

/** The form of the first textual inversion files. */
const embedding = (stringToParam: Buffer) =>
  dict({ string_to_token: dict({ '*': integer(265) }), string_to_param: stringToParam });

async function file(t: Test, value: Buffer): Promise<string> {
  const path = join(t.testdir(), 'my-style.pt');
  await writeFile(path, legacyFile(value, values));
  return path;
}

t.test('a ParameterDict is the dict of its parameters', async (t) => {
  const made = call(global('torch.nn.parameter', 'Parameter'), tensor('0', [2, 32]), yes);
  for (const parameters of [orderedDict({ '*': parameter }), dict({ '*': made })]) {
    const path = await file(t, embedding(parameterDict({ _parameters: parameters })));
    const { tensors } = await loadTensors(path);
    t.same(Object.keys(tensors), ['*']);
    t.same(tensors['*']?.shape, [2, 32]);
    t.same(tensors['*']?.data(), values);
  }
});

t.test(
  'the first form of textual inversion files is read, its token the file’s name',
  async (t) => {
    using encoder = await TextEncoder.load(join(await tinyPipelineFolder(), 'text_encoder'));
    const path = await file(
      t,
      embedding(parameterDict({ _parameters: orderedDict({ '*': parameter }) })),
    );
    t.equal(await encoder.loadTextualInversion(path), 'my-style');
    t.equal(encoder.tokenizer.encode('a my-style').inputIds.length, 5, 'two vectors');
  },
);

t.test('torch.save’s own file holds what the plain dict holds', async (t) => {
  const read = async (name: string) =>
    (await loadTensors(join(committed, 'formats', name))).tensors;
  const [parameters, plain] = [await read('embedding.parameters.pt'), await read('embedding.pt')];
  t.same(Object.keys(parameters), ['*']);
  t.same(parameters['*']?.data(), plain['*']?.data());
});

const trace = '/tmp/latentray-parameter-dict-was-here';
const hostile = call(global('posix', 'system'), text(`touch ${trace}`));
const container = 'torch.nn.modules.container';
const good = orderedDict({ '*': parameter });

/** Each hostile value with the name that is refused. */
const unsafe: [string, Buffer, string][] = [
  ['in the state', parameterDict({ _parameters: good, extra: hostile }), 'posix.system'],
  ['as the parameters', parameterDict({ _parameters: hostile }), 'posix.system'],
  [
    'among the parameters',
    parameterDict({ _parameters: orderedDict({ '*': hostile }) }),
    'posix.system',
  ],
  ['as the state', object(container, 'ParameterDict', hostile), 'posix.system'],
  [
    'in the place of a hook',
    parameterDict({ _parameters: good, _backward_hooks: orderedDict({ a: hostile }) }),
    'posix.system',
  ],
  [
    'in a set',
    parameterDict({ _parameters: good, extra: call(global('builtins', 'set'), list(hostile)) }),
    'posix.system',
  ],
  ['another container', object(container, 'ParameterList', dict({})), `${container}.ParameterList`],
  [
    'a state given by another hand',
    call(global('torch.nn.modules.module', '_set_state'), emptyTuple),
    'torch.nn.modules.module._set_state',
  ],
  ['another builtin', call(global('__builtin__', 'eval'), text('1')), '__builtin__.eval'],
];

t.test('nothing that a state smuggles in is called', async (t) => {
  for (const [name, value, refused] of unsafe) {
    const path = await file(t, embedding(value));
    await t.rejects(loadTensors(path), { code: 'ERR_WEIGHTS_UNSAFE', global: refused }, name);
  }
  t.notOk(existsSync(trace));
});

/** One state for two, which would be read once for each of millions. */
function twins(): Buffer {
  const state = remember(1, dict({ _parameters: good }));
  return list(
    object(container, 'ParameterDict', state),
    object(container, 'ParameterDict', recall(1)),
  );
}

/** Each broken value with a part of the message. */
const corrupt: [string, Buffer, RegExp][] = [
  ['no parameters', parameterDict({}), /_parameters/],
  ['parameters that are no dict', parameterDict({ _parameters: list() }), /parameters/],
  ['a state that is no dict', object(container, 'ParameterDict', tuple(none)), /state/],
  ['no state', call(global(container, 'ParameterDict')), /no tensor uses/],
  ['arguments', call(global(container, 'ParameterDict'), emptyDict), /no arguments/],
  ['a state for two', twins(), /expected _parameters/],
  ['a state for a set', object('builtins', 'set', dict({})), /expected a dict/],
  ['a parameter of nothing', call(global('torch.nn.parameter', 'Parameter')), /without a tensor/],
  ['a set of two', call(global('builtins', 'set'), list(), list()), /one argument/],
];

t.test('a ParameterDict of another form is corrupt', async (t) => {
  for (const [name, value, message] of corrupt) {
    const path = await file(t, embedding(value));
    await t.rejects(loadTensors(path), { code: 'ERR_WEIGHTS_CORRUPT', message }, name);
  }
});
