import { LexigraftError } from "./errors.js";
import type { GpuProbe } from "./probe.js";
import type { DeviceKind } from "./types.js";

export interface DeviceChoice {
  kind: DeviceKind;
  /** One sentence for people. */
  reason: string;
  software: boolean;
}

/**
 * Decides between the two engines. `probe` is asked for only when the answer matters.
 * A software adapter computes on the CPU through a graphics interface, so the CPU engine is always the faster of the
 * two: only an explicit request takes it.
 */
export async function chooseDevice(
  requested: "auto" | DeviceKind,
  probe: () => Promise<GpuProbe>,
): Promise<DeviceChoice> {
  if (requested === "cpu") return { kind: "cpu", reason: "The CPU was asked for.", software: false };
  const gpu = await probe();
  if (requested === "webgpu") {
    if (!gpu.available) {
      throw new LexigraftError(
        "no-webgpu",
        `WebGPU cannot be used because ${gpu.problem ?? "it is not there"}.`,
        {
          hint: 'Use device: "auto" or "cpu", or another browser, or update the graphics driver.',
        },
      );
    }
    return {
      kind: "webgpu",
      reason: gpu.software
        ? `WebGPU was asked for; ${gpu.adapter} is a software adapter, so the CPU engine would be faster.`
        : "WebGPU was asked for.",
      software: gpu.software,
    };
  }
  if (!gpu.available) return cpuBecause(gpu.problem ?? "WebGPU is not there");
  if (gpu.software)
    return cpuBecause(`the only WebGPU adapter (${gpu.adapter}) is a software one, which is slower`);
  return {
    kind: "webgpu",
    reason: `WebGPU is used because ${gpu.adapter} is a hardware adapter.`,
    software: false,
  };
}

/** The CPU as the second choice. `because` is part of a sentence. */
export function cpuBecause(because: string): DeviceChoice {
  return { kind: "cpu", reason: `The CPU is used because ${because}.`, software: false };
}
