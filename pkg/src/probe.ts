/** What a look at `navigator.gpu` found. Made before the GPU engine is fetched, because the engine cannot recover. */
export interface GpuProbe {
  /** An adapter that the engine can use is there, hardware or not. */
  available: boolean;
  /** The adapter is a program on the CPU: correct, and slower than the CPU engine. */
  software: boolean;
  /** For people; empty when there is no adapter. */
  adapter: string;
  /** Why the engine cannot use it: part of a sentence, after "because". */
  problem?: string;
}

/** The parts of WebGPU the probe reads, so that it can be tried without a browser. */
export interface GpuLike {
  requestAdapter(options?: { powerPreference?: "high-performance" }): Promise<GpuAdapterLike | null>;
}

export interface GpuAdapterLike {
  /** Where browsers put it until 2024. */
  readonly isFallbackAdapter?: boolean;
  readonly info?: {
    readonly vendor?: string;
    readonly architecture?: string;
    readonly device?: string;
    readonly description?: string;
    readonly isFallbackAdapter?: boolean;
  };
  readonly limits: { readonly [name: string]: unknown } | object;
}

/** The engine's kernels are written for these, which are WebGPU's own guaranteed minimum. */
const NEEDED = {
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupStorageSize: 16 * 1024,
  maxStorageBufferBindingSize: 128 * 1024 * 1024,
  maxBufferSize: 256 * 1024 * 1024,
} as const;

/** Rasterisers that run on the CPU but do not always say so. */
const SOFTWARE_NAMES = /swiftshader|llvmpipe|lavapipe|softpipe|basic render|\bwarp\b|software/i;

/** A driver that hangs must not hang the page. */
const TIMEOUT_MS = 10_000;

/** Asks the browser for its best adapter. Never throws. */
export async function probeWebGpu(
  gpu: GpuLike | undefined = globalThis.navigator?.gpu,
  timeoutMs: number = TIMEOUT_MS,
): Promise<GpuProbe> {
  const none = (problem: string): GpuProbe => ({ available: false, software: false, adapter: "", problem });
  if (!gpu) {
    return none(
      globalThis.isSecureContext === false
        ? "WebGPU is offered on https and localhost only"
        : "this browser does not offer WebGPU",
    );
  }
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<"late">((resolve) => {
    timer = setTimeout(() => resolve("late"), timeoutMs);
  });
  try {
    const adapter = await Promise.race([gpu.requestAdapter({ powerPreference: "high-performance" }), late]);
    if (adapter === "late") return none("WebGPU did not answer in time");
    if (!adapter) return none("WebGPU found no graphics adapter it may use");
    return describe(adapter);
  } catch (error) {
    return none(
      `WebGPU failed when asked for an adapter (${error instanceof Error ? error.message : String(error)})`,
    );
  } finally {
    clearTimeout(timer);
  }
}

function describe(adapter: GpuAdapterLike): GpuProbe {
  const { info } = adapter;
  const name = adapterName(info);
  const software =
    adapter.isFallbackAdapter === true || info?.isFallbackAdapter === true || SOFTWARE_NAMES.test(name);
  const limits = adapter.limits as Record<string, unknown>;
  const short = Object.entries(NEEDED).find(([limit, needed]) => !(Number(limits[limit]) >= needed));
  if (short === undefined) return { available: true, software, adapter: name };
  const [limit, needed] = short;
  return {
    available: false,
    software,
    adapter: name,
    problem: `the adapter's ${limit} is ${String(limits[limit])} and the engine needs ${needed}`,
  };
}

function adapterName(info: GpuAdapterLike["info"]): string {
  const words = [info?.vendor, info?.architecture, info?.device, info?.description].filter((word) => word);
  return words.length > 0 ? [...new Set(words)].join(" ") : "unnamed adapter";
}
