import { existsSync } from 'node:fs';
import { arch, freemem, totalmem } from 'node:os';
import { type Environment, readEnvironment, type Variables } from './environment.js';
import { LatentrayError } from './errors.js';
import type { Addon } from './native/addon-types.js';
import type { LibTorch } from './native/libtorch.js';
import { type LoadedAddon, loadAddon } from './native/load-addon.js';
import { libcName } from './native/load-failure.js';
import { packageVersion } from './native/package-root.js';

/** One thing that is wrong. */
export interface Problem {
  /** An error code such as `ERR_LIBTORCH_NOT_FOUND`. */
  code: string;
  /** What is wrong, the remedy last. */
  message: string;
}

/** What {@link diagnose} found; `null` is what could not be found out. */
export interface Diagnosis {
  /** True when nothing is wrong. */
  ok: boolean;
  versions: {
    latentray: string;
    node: string;
    /** The Node-API version of this Node. */
    napi: number;
    /** Such as `linux-x64`. */
    platform: string;
    /** Such as `glibc 2.36`. */
    libc: string;
  };
  libtorch: LibTorch | null;
  /** The addon's file. */
  addon: string | null;
  /** `totalMemory` in bytes, where the device says it. */
  devices: { name: string; type: string; totalMemory?: number }[];
  /** How many threads one operation may use. */
  threads: number | null;
  /** The instruction set that LibTorch chose, such as `AVX2`. */
  cpuCapability: string | null;
  /** In bytes. */
  memory: { free: number; total: number };
  /** The folder where a fetched LibTorch lies. */
  cache: string | null;
  problems: Problem[];
  /** Things that work and could be better. */
  notes: string[];
}

/**
 * Says what this installation consists of and what is wrong with it. Never throws for what is wrong: a
 * failure to load is one of the `problems`.
 */
export function diagnose(variables: Variables = process.env): Diagnosis {
  const problems: Problem[] = [];
  const environment = attempt(problems, () => readEnvironment(variables));
  const loaded = environment && attempt(problems, () => loadAddon(environment));
  const devices = loaded ? devicesOf(loaded.addon) : [];
  if (loaded && environment) checkDevice(environment, devices, problems);
  return {
    ok: problems.length === 0,
    versions: {
      latentray: packageVersion,
      node: process.versions.node,
      napi: Number(process.versions.napi),
      platform: `${process.platform}-${arch()}`,
      libc: libcName(),
    },
    libtorch: loaded?.libtorch ?? null,
    addon: loaded?.path ?? null,
    devices,
    threads: loaded?.addon.getThreads() ?? null,
    cpuCapability: loaded?.addon.version().cpuCapability ?? null,
    memory: { free: freemem(), total: totalmem() },
    cache: environment?.cache ?? null,
    problems,
    notes: loaded ? notesOn(loaded) : [],
  };
}

function attempt<T>(problems: Problem[], action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    if (!LatentrayError.isInstance(error)) throw error;
    problems.push({ code: error.code, message: error.message });
    return undefined;
  }
}

function devicesOf(addon: Addon): Diagnosis['devices'] {
  return addon.devices().map((device) => {
    const totalMemory = addon.totalMemory(device.name);
    return totalMemory > 0 ? { ...device, totalMemory } : device;
  });
}

function checkDevice(
  { device }: Environment,
  devices: Diagnosis['devices'],
  problems: Problem[],
): void {
  const names = devices.flatMap(({ name }) => (name === 'cuda:0' ? [name, 'cuda'] : [name]));
  if (device === undefined || names.includes(device)) return;
  problems.push({
    code: 'ERR_DEVICE_UNAVAILABLE',
    message: `LATENTRAY_DEVICE=${device}: found ${names.join(', ')}\nSet it to one of these, or unset it.`,
  });
}

function notesOn({ addon, libtorch }: LoadedAddon): string[] {
  const usesGpu = addon.devices().some(({ type }) => type === 'cuda');
  if (usesGpu) return [];
  if (libtorch.cuda) {
    return [
      `LibTorch is built for CUDA ${libtorch.cuda} and finds no GPU: is NVIDIA's driver installed, and ` +
        'is CUDA_VISIBLE_DEVICES right?',
    ];
  }
  if (existsSync('/proc/driver/nvidia/version')) {
    return [
      'This machine has an NVIDIA driver, and this LibTorch is for the CPU: set LIBTORCH to one for CUDA.',
    ];
  }
  return [];
}
