// Takes the pictures of the documentation from the built page with the real models in Chromium:
// `cargo xtask docs --pictures`. They are small and committed, so that building the site needs neither.
import { mkdir, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { openApp } from "../../tests/support/app.mjs";

const folder = fileURLToPath(new URL("../pictures/", import.meta.url));
const WORK_MS = 180_000;
const LARGEST = 150_000;

/** What is on the screen, from the top to below an element. */
async function take(app, name, last) {
  await app.page.mouse.move(0, 0);
  await app.page.evaluate(() => {
    document.activeElement?.blur();
    scrollTo(0, 0);
  });
  const box = await app.get(last).boundingBox();
  const height = Math.ceil(box.y + box.height + 24);
  const session = await app.page.context().newCDPSession(app.page);
  const { data } = await session.send("Page.captureScreenshot", {
    format: "webp",
    quality: 82,
    captureBeyondViewport: true,
    clip: { x: 0, y: 0, width: 1280, height, scale: 1 },
  });
  const bytes = Buffer.from(data, "base64");
  if (bytes.length > LARGEST) throw new Error(`${name} has ${bytes.length} bytes, more than ${LARGEST}`);
  await writeFile(`${folder}${name}.webp`, bytes);
  console.log(`${name}.webp ${bytes.length}`);
}

const idle = (app) =>
  app.page.waitForFunction(() => document.body.dataset.running === "false", undefined, { timeout: WORK_MS });

async function generate(app) {
  await app.loadFrom("models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf");
  await app.loaded();
  await app.set({ temperature: 0, "max-tokens": 64 });
  await app.generate("The capital of France is");
  await take(app, "generate", "stats");
}

async function bytes(app) {
  await app.get("tab-bytes").click();
  await app.enabled("bytes-look", WORK_MS);
  await app.get("bytes-prompt").fill("The capital of Fra");
  await app.get("bytes-look").click();
  await app.get("byte-text").locator("span").nth(17).waitFor({ timeout: WORK_MS });
  await app.enabled("bytes-continue", WORK_MS);
  await app.get("bytes-continue").click();
  await app.page.waitForFunction(
    () => document.querySelector('[data-testid="exact-text"]').textContent.length > 12,
    undefined,
    { timeout: WORK_MS },
  );
  await app.enabled("bytes-look", WORK_MS);
  await idle(app);
  await take(app, "bytes", "byte-text");
}

async function graft(app) {
  await app.get("tab-graft").click();
  await app.enabled("graft-start", WORK_MS);
  await app.get("graft-text").fill("Wer reitet so spät durch Nacht und Wind?");
  await app.get("graft-start").click();
  await app.get("graft-outcome").waitFor({ timeout: WORK_MS });
  await idle(app);
  await app.enabled("graft-start", WORK_MS);
  await take(app, "graft", "graft-outcome");
}

async function see(app) {
  await app.get("tab-see").click();
  await app.get("see-sample-coffee").click();
  await app.page.waitForFunction(
    () => {
      const { seen, work } = document.querySelector(".see").dataset;
      return seen?.startsWith("coffee ward:r=16 224") && work === "none";
    },
    undefined,
    { timeout: WORK_MS },
  );
  await take(app, "see", "see-facts");
}

await mkdir(folder, { recursive: true });
const app = await openApp();
try {
  for (const picture of [generate, bytes, graft, see]) await picture(app);
  if (app.problems.length > 0) throw new Error(app.problems.join("\n"));
} finally {
  await app.close();
}
