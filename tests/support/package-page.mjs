import { startChromium } from "./chromium.mjs";
import { startServer } from "./server.mjs";

/**
 * The bare test page in a fresh browser. `call(name, …)` runs a function of harness.js there.
 */
export async function openPackagePage({ webgpu = false, isolated = false } = {}) {
  const server = await startServer({ isolated });
  const browser = await startChromium({ webgpu });
  const page = await browser.context.newPage();
  const problems = [];
  page.on("pageerror", (error) => problems.push(error.message));
  const open = async () => {
    await page.goto(`${server.url}/pages/bare.html`);
    await page.waitForFunction(() => window.harness !== undefined);
  };
  await open();
  return {
    server,
    context: browser.context,
    page,
    /** Leaves the page, with whatever it is doing, and opens it again. */
    open,
    problems,
    call: (name, ...values) =>
      page.evaluate(([name, values]) => window.harness[name](...values), [name, values]),
    async close() {
      await browser.close();
      await server.close();
    },
  };
}
