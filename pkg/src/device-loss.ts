import { LexigraftError } from "./errors.js";

/** As much of WebGPU as is looked at here. */
interface Losable {
  lost: Promise<{ reason: string; message: string }>;
}
interface AdapterPrototype {
  requestDevice: (...values: unknown[]) => Promise<Losable>;
}

/**
 * Runs `start` and tells of every WebGPU device made meanwhile when it is lost: by a driver's reset, a browser that
 * takes it away, or `destroy()`. The engine makes its device out of reach, so the request for it is watched.
 */
export async function watchDevices<T>(
  start: () => Promise<T>,
  onLost: (error: LexigraftError) => void,
): Promise<T> {
  const prototype = (globalThis as { GPUAdapter?: { prototype: AdapterPrototype } }).GPUAdapter?.prototype;
  if (prototype === undefined) return start();
  const original = prototype.requestDevice;
  prototype.requestDevice = async function (this: AdapterPrototype, ...values: unknown[]) {
    const device = await original.apply(this, values);
    void device.lost.then(({ reason, message }) => onLost(deviceLost(reason, message)));
    return device;
  };
  try {
    return await start();
  } finally {
    prototype.requestDevice = original;
  }
}

function deviceLost(reason: string, message: string): LexigraftError {
  const why = [reason === "unknown" ? "" : reason, message].filter((part) => part !== "").join(": ");
  return new LexigraftError("device-lost", `The WebGPU device was lost${why === "" ? "" : ` (${why})`}.`, {
    hint: "Dispose this Lexigraft, create a new one and load the model again: a cached file needs no download.",
  });
}
