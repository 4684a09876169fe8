/** Pickles written by hand, instruction by instruction, and PyTorch's older form of file around them. */

const utf8 = (text: string) => Buffer.from(text, 'utf8');
const of = (text: string) => Buffer.from(text, 'latin1');

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

export const none = of('N');
export const yes = of('\x88');
export const emptyTuple = of(')');
export const emptyDict = of('}');

export const text = (value: string) =>
  Buffer.concat([of('X'), uint32(utf8(value).length), utf8(value)]);
export const integer = (value: number) => Buffer.concat([of('J'), uint32(value)]);
export const global = (module: string, name: string) => of(`c${module}\n${name}\n`);
export const tuple = (...items: Buffer[]) => Buffer.concat([of('('), ...items, of('t')]);
export const list = (...items: Buffer[]) => Buffer.concat([of(']('), ...items, of('e')]);
export const call = (callee: Buffer, ...args: Buffer[]) =>
  Buffer.concat([callee, tuple(...args), of('R')]);

/** `target` is an empty dict, or what stands for one. */
export const items = (target: Buffer, entries: Record<string, Buffer>) =>
  Buffer.concat([
    target,
    of('('),
    ...Object.entries(entries).flatMap(([key, value]) => [text(key), value]),
    of('u'),
  ]);
export const dict = (entries: Record<string, Buffer>) => items(emptyDict, entries);
export const orderedDict = (entries: Record<string, Buffer> = {}) =>
  items(call(global('collections', 'OrderedDict')), entries);

/** `value`, which {@link recall} can name again by a number below 256. */
export const remember = (number: number, value: Buffer) =>
  Buffer.concat([value, of('q'), Buffer.from([number])]);
export const recall = (number: number) => Buffer.concat([of('h'), Buffer.from([number])]);

/** An instance that is made without a constructor, then given its state. */
export const object = (module: string, name: string, state: Buffer) =>
  Buffer.concat([global(module, name), emptyTuple, of('\x81'), state, of('b')]);

/** A tensor of float32 over the whole of a storage. */
export const tensor = (key: string, shape: readonly [number, number]) => {
  const [rows, columns] = shape;
  const type = global('torch', 'FloatStorage');
  const id = tuple(text('storage'), type, text(key), text('cpu'), integer(rows * columns), none);
  const storage = Buffer.concat([id, of('Q')]);
  return call(
    global('torch._utils', '_rebuild_tensor_v2'),
    ...[storage, integer(0), tuple(integer(rows), integer(columns))],
    ...[tuple(integer(columns), integer(1)), of('\x89'), orderedDict()],
  );
};

const pickled = (value: Buffer) => Buffer.concat([of('\x80\x02'), value, of('.')]);

/** A file as torch.save wrote it before PyTorch 1.6: `value`, and its one storage "0". */
export function legacyFile(value: Buffer, storage: Float32Array): Buffer {
  const magic = of('\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19');
  const count = Buffer.alloc(8);
  count.writeBigUInt64LE(BigInt(storage.length));
  const pickles = [magic, integer(1001), dict({ little_endian: yes }), value, list(text('0'))];
  return Buffer.concat([...pickles.map(pickled), count, Buffer.from(storage.buffer)]);
}
