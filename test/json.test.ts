import t from 'tap';
import { changedConfig, parseConfig, parsePythonJson, stringifyPythonJson } from '../src/json.js';

t.test("Python's NaN, Infinity and -Infinity become numbers, outside strings only", async (t) => {
  const text = String.raw`{"a": NaN, "b": [Infinity, -Infinity, 1.5], "NaN": "NaN \" Infinity"}`;
  t.strictSame(parsePythonJson(text, 'c.json'), {
    a: Number.NaN,
    b: [Infinity, -Infinity, 1.5],
    NaN: 'NaN " Infinity',
  });
  t.equal(parsePythonJson('-Infinity', 'c.json'), -Infinity);
  t.strictSame(parsePythonJson('{"lambda_min_clipped": -Infinity}', 'c.json'), {
    lambda_min_clipped: -Infinity,
  });
  t.strictSame(parsePythonJson('{"a": 1}', 'c.json'), { a: 1 });
});

t.test('a long string does not exhaust the pattern', async (t) => {
  const long = 'x\\"'.repeat(500_000);
  t.strictSame(parsePythonJson(`["${long}", NaN]`, 'c.json'), ['x"'.repeat(500_000), Number.NaN]);
});

t.test('what is not JSON is an error with the path', async (t) => {
  for (const text of [
    '',
    '{',
    '{"a": nan}',
    '{"a": NaNs}',
    '-NaN',
    '{"a" Infinity}',
    "{'a': 1}",
    '{NaN: 1}',
  ].concat(['{1.0: 2}', '01.0', '1.0.0', '-', '1.0e', '[NaN, 1.0"a"]'])) {
    for (const parse of [parsePythonJson, parseConfig]) {
      t.throws(() => parse(text, 'folder/config.json'), {
        code: 'ERR_CONFIG_INVALID',
        path: 'folder/config.json',
        message: /^folder\/config\.json: not valid JSON/,
      });
    }
  }
});

t.test('JSON deeper than any config is refused, whatever its depth', async (t) => {
  for (const depth of [100, 1_000_000]) {
    for (const parse of [parsePythonJson, parseConfig]) {
      t.throws(() => parse('['.repeat(depth) + ']'.repeat(depth), 'c.json'), {
        code: 'ERR_CONFIG_INVALID',
      });
    }
  }
});

/** What Python 3 writes by json.dumps(…, indent=2, sort_keys=True) for its own floats and integers. */
const pythonNumbers = [
  ['1', '1.0', '0', '0.0', '-0.0', '-3', '-3.0', '1e3', '1E+2', '12345678901234.0'],
  ['1e-05', '0.00001', '0.0001', '1.5e-5', '1e-12', '1e-7', '0.1', '-2.5e-300', '5e-324'],
  ['1e15', '1e16', '1.5e16', '1e22', '123456789012345680.0', '1.7976931348623157e308'],
  ['NaN', 'Infinity', '-Infinity'],
].flat();
const writtenByPython = [
  ['1', '1.0', '0', '0.0', '-0.0', '-3', '-3.0', '1000.0', '100.0', '12345678901234.0'],
  ['1e-05', '1e-05', '0.0001', '1.5e-05', '1e-12', '1e-07', '0.1', '-2.5e-300', '5e-324'],
  ['1000000000000000.0', '1e+16', '1.5e+16', '1e+22', '1.2345678901234568e+17'],
  ['1.7976931348623157e+308', 'NaN', 'Infinity', '-Infinity'],
].flat();

t.test("numbers of a config are written as Python's json writes them", async (t) => {
  const again = (text: string) => stringifyPythonJson(parseConfig(text, 'c.json'));
  for (const [n, text] of pythonNumbers.entries()) {
    const expected = writtenByPython[n] as string;
    t.equal(again(`{"a": ${text}}`), `{\n  "a": ${expected}\n}\n`);
    t.equal(again(`{"b": {"a": [7, ${text}]}}`).match(/7,\s+(\S+)\s/)?.[1], expected);
  }
  t.strictSame(parseConfig('{"a": 1.0, "b": [1.0]}', 'c.json'), { a: 1, b: [1] });
});

t.test('a JSON text that Python wrote is written again byte for byte', async (t) => {
  const text = String.raw`{
  "Z": true,
  "_a": [],
  "b": {},
  "c": [
    {
      "d": 2.0,
      "e": 2
    },
    [
      0.0,
      null
    ]
  ],
  "f": "1.0, NaN \" 2.0"
}
`;
  t.equal(stringifyPythonJson(parseConfig(text, 'c.json')), text);
});

t.test('a changed config keeps its other floats, and what is undefined is left out', async (t) => {
  const config = parseConfig('{"a": 1.0, "b": 2.0, "c": 3}', 'c.json') as Record<string, unknown>;
  const changed = changedConfig(config, {
    b: 'x',
    c: undefined,
    d: 4,
    n: { list: [undefined, 1] },
  });
  t.equal(
    stringifyPythonJson(changed).replaceAll(/\s/g, ''),
    '{"a":1.0,"b":"x","d":4,"n":{"list":[null,1]}}',
  );
  t.strictSame(config, { a: 1, b: 2, c: 3 });
});

t.test('keys that transformers takes as floats alone are written so', async (t) => {
  t.match(stringifyPythonJson({ initializer_factor: 1, hidden_size: 8 }), /8,\n.*: 1\.0\n/);
});
