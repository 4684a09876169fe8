import { readFile } from 'node:fs/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { parse } from 'yaml';
import { z } from 'zod';
import { LatentrayError } from '../index.js';

/** What a JSON schema says of one option. */
interface OptionSchema {
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly description?: string;
  readonly default?: unknown;
  readonly anyOf?: readonly OptionSchema[];
}

/** A flag for each option that a file may have, with the words and the default that its schema has. */
export function addConfigFlags(command: Command, config: z.ZodObject): Command {
  const { properties = {} } = z.toJSONSchema(config, { io: 'input' });
  for (const [name, schema] of Object.entries(properties)) {
    command.addOption(flagOf(name, schema as OptionSchema));
  }
  return command;
}

/** The options of a file, YAML or JSON. @throws `ERR_INVALID_ARG` for a file that is neither. */
export async function readConfig(path: string): Promise<Record<string, unknown>> {
  const text = await readFile(path, 'utf8').catch(({ code }: NodeJS.ErrnoException) => {
    throw configError(`${path} cannot be read (${code})`);
  });
  const parsed = parseYaml(text, (message) => configError(`${path}: ${message}`));
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw configError(`${path}: expected names and values, such as "method: lora"`);
  }
  return parsed as Record<string, unknown>;
}

/** YAML that a flag holds. @throws `ERR_INVALID_ARG` for what is none. */
export function parseFlag(flag: string, text: string): unknown {
  const failure = (message: string) =>
    new LatentrayError('ERR_INVALID_ARG', `${flag}: ${message}`, { argument: flag });
  return parseYaml(text, failure);
}

function flagOf(name: string, schema: OptionSchema): Option {
  const { description = '', default: byDefault } = schema;
  const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  const choices = schema.enum ? schema.enum.join(', ') : '';
  const words = [description, choices].filter(Boolean).join(': ');
  const option = new Option(
    `${flag} ${placeholder(schema)}`,
    isPlain(byDefault) ? `${words} (default: ${byDefault})` : words,
  );
  return option.argParser((text) => (schema.type === 'string' ? text : yamlOf(text)));
}

function placeholder(schema: OptionSchema): string {
  if (takesBoolean(schema)) return '[yaml]';
  const names: Record<string, string> = { integer: 'n', number: 'x', string: 'name' };
  return `<${names[schema.type ?? ''] ?? 'yaml'}>`;
}

/** Such a flag without a value means yes. */
function takesBoolean({ type, anyOf = [], default: byDefault }: OptionSchema): boolean {
  const isSwitch = anyOf.some((each) => each.type === 'boolean') && byDefault === false;
  return type === 'boolean' || isSwitch;
}

/** Defaults of several parts are said in words. */
function isPlain(value: unknown): boolean {
  return value !== undefined && typeof value !== 'object';
}

function yamlOf(text: string): unknown {
  return parseYaml(text, (message) => new InvalidArgumentError(message));
}

function parseYaml(text: string, failure: (message: string) => Error): unknown {
  try {
    return parse(text);
  } catch (error) {
    const [firstLine = ''] = (error as Error).message.split('\n');
    throw failure(firstLine);
  }
}

/** What has to be in the file or among the flags. */
export function requiredIn<Value>(name: string, value: Value | undefined): Value {
  if (value !== undefined) return value;
  throw new LatentrayError(
    'ERR_INVALID_ARG',
    `${name}: expected it in the file of --config, or as --${name}`,
    { argument: name },
  );
}

function configError(message: string): LatentrayError {
  return new LatentrayError('ERR_INVALID_ARG', `--config: ${message}`);
}
