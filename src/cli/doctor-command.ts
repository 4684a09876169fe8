import type { Command } from 'commander';
import { type Diagnosis, diagnose } from '../doctor.js';

const ORIGINS = {
  LIBTORCH: 'named by LIBTORCH',
  addon: 'the one that the addon was built with',
  python: "python3's torch",
  cache: 'from the cache',
};

/** `latentray doctor`: what is installed, what is wrong and how to mend it. Exit code 1 when something is. */
export function registerDoctorCommand(program: Command): void {
  program
    .command('doctor')
    .description('print versions, LibTorch, devices and threads, what is wrong and how to mend it')
    .option('--json', 'print one JSON object')
    .action(({ json }: { json?: boolean }) => {
      const diagnosis = diagnose();
      process.stdout.write(json ? `${JSON.stringify(diagnosis, null, 2)}\n` : format(diagnosis));
      if (!diagnosis.ok) process.exitCode = 1;
    });
}

function format(diagnosis: Diagnosis): string {
  const { versions, libtorch, memory } = diagnosis;
  const rows = [
    ['latentray', versions.latentray],
    [
      'node',
      `${versions.node} (Node-API ${versions.napi}), ${versions.platform}, ${versions.libc}`,
    ],
    ['LibTorch', libtorch ? `${libtorch.version}, ${ORIGINS[libtorch.source]}` : 'not loaded'],
    ['', libtorch?.path],
    ['addon', diagnosis.addon ?? 'not loaded'],
    ['devices', diagnosis.devices.map(formatDevice).join(', ')],
    ['threads', diagnosis.threads],
    ['CPU', diagnosis.cpuCapability],
    ['memory', `${gigabytes(memory.free)} free of ${gigabytes(memory.total)}`],
    ['cache', diagnosis.cache],
  ];
  const table = rows
    .filter(([, value]) => value !== undefined && value !== null && value !== '')
    .map(([name, value]) => `${String(name).padEnd(11)}${value}`);
  const problems = diagnosis.problems.map(({ code, message }) => `${code}: ${message}`);
  const verdict = diagnosis.ok ? ['Everything is in order.'] : problems;
  const notes = diagnosis.notes.map((note) => `Note: ${note}`);
  return `${[...table, '', ...notes, ...verdict].join('\n')}\n`;
}

function formatDevice({ name, totalMemory }: Diagnosis['devices'][number]): string {
  return totalMemory ? `${name} (${gigabytes(totalMemory)})` : name;
}

function gigabytes(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}
