import type { EngineClient } from "./client.js";
import type { Handle } from "./protocol.js";

/** Frees a model. When the whole engine is gone already, so is the model. */
export async function release(client: EngineClient, handle: Handle): Promise<void> {
  await client.call("release", { handle }).catch(() => undefined);
}
