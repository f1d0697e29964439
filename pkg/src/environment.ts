import type { EngineEnvironment } from "./engine.js";
import { loadGrammar } from "./load-grammar.js";
import { loadModule, startedModuleSize } from "./load-module.js";
import { probeWebGpu } from "./probe.js";
import { startHelpers, threadsHere } from "./threads.js";

/** What a browser gives the engine, in a page or in a worker. */
export const browserEnvironment: EngineEnvironment = {
  loadModule,
  probe: () => probeWebGpu(),
  threads: threadsHere,
  startHelpers,
  loadGrammar,
  moduleSize: startedModuleSize,
};
