import t from 'tap';
import { parsePythonJson } from '../src/json.js';

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
  for (const text of ['', '{', '{"a": nan}', '{"a": NaNs}', '-NaN', '{"a" Infinity}', "{'a': 1}"]) {
    t.throws(() => parsePythonJson(text, 'folder/config.json'), {
      code: 'ERR_CONFIG_INVALID',
      path: 'folder/config.json',
      message: /^folder\/config\.json: not valid JSON/,
    });
  }
});

t.test('JSON deeper than any config is refused, whatever its depth', async (t) => {
  for (const depth of [100, 1_000_000]) {
    t.throws(() => parsePythonJson('['.repeat(depth) + ']'.repeat(depth), 'c.json'), {
      code: 'ERR_CONFIG_INVALID',
    });
  }
});
