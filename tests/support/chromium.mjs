import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

/** Quiet, offline, and without a sandbox, which a container rarely allows. */
const flags = [
  "--headless=new",
  "--no-sandbox",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** WebGPU on SwiftShader, Chromium's own software adapter: no graphics card is needed. */
const webgpuFlags = [
  "--enable-unsafe-webgpu",
  "--use-webgpu-adapter=swiftshader",
  "--enable-features=Vulkan,WebGPU",
];

/** A camera that films a moving pattern, and a person who lets pages use it. */
const cameraFlags = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"];

/**
 * Starts Chromium (`CHROME`, else Debian's) with a fresh profile on disk: a private window would
 * keep the page's file system in memory and give it a small quota. The page's service worker is left out unless it is
 * what is tested: it would answer requests that a test counts, and make the page isolated.
 */
export async function startChromium({ webgpu = false, camera = false, serviceWorkers = "block" } = {}) {
  const profile = await mkdtemp(join(tmpdir(), "lexigraft-profile-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROME || "/usr/bin/chromium",
    args: [...flags, ...(webgpu ? webgpuFlags : []), ...(camera ? cameraFlags : [])],
    viewport: { width: 1280, height: 900 },
    serviceWorkers,
  });
  return {
    context,
    async close() {
      await context.close();
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** Opens a page and keeps what went wrong in it: uncaught errors and refused resources. */
export async function openPage(context, url) {
  const page = await context.newPage();
  const problems = [];
  page.on("pageerror", (error) => problems.push(`uncaught: ${error.message}`));
  page.on("console", (message) => {
    // A failed request logs itself; the tests make requests fail on purpose.
    const text = message.text();
    if (message.type() === "error" && !text.startsWith("Failed to load resource")) problems.push(text);
  });
  await page.goto(url);
  return { page, problems };
}
