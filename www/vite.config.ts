import { defineConfig } from "vite";
import { devCsp } from "./vite/csp.ts";
import { serveModels } from "./vite/models.ts";
import { serviceWorker } from "./vite/service-worker.ts";

/** They make the page cross-origin isolated, so that the CPU engine may have threads. */
const headers = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

export default defineConfig({
  server: { headers },
  preview: { headers },
  // Relative addresses: the built page works from any folder of any static host.
  base: "./",
  build: {
    target: "es2022",
    // `light-dark()` is written once in tokens.css instead of two copies of every colour.
    cssTarget: ["chrome123", "edge123", "firefox120", "safari17.5"],
    // data: addresses would need a wider content security policy.
    assetsInlineLimit: 0,
  },
  worker: { format: "es" },
  // Pre-bundling moves a dependency's files, which breaks its `new URL("…", import.meta.url)`
  // for the worker and the wasm modules.
  optimizeDeps: { exclude: ["lexigraft"] },
  plugins: [serveModels(), devCsp(), serviceWorker()],
});
