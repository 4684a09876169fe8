// Checks the C++ files with clang-format; passes with a note where it is not installed.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const files = ['native', 'binding'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true })
    .filter((name) => /\.(cpp|cc|h)$/.test(name))
    .map((name) => join(folder, name)),
);
const { status, error } = spawnSync('clang-format', ['--dry-run', '-Werror', ...files], {
  cwd: root,
  stdio: ['ignore', 'inherit', 'inherit'],
});
if (error) console.error('C++ format not checked: clang-format is not installed');
else process.exitCode = status;
