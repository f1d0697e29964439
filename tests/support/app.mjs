import { openPage, startChromium } from "./chromium.mjs";
import { startServer } from "./server.mjs";

/** Loading the model from this machine, and writing with it on two cores. */
const LOAD_MS = 180_000;
const WRITE_MS = 180_000;

/** The built page in a fresh browser, driven as a person would: by what is on the screen. */
export async function openApp({ webgpu = false, camera = false, path = "/" } = {}) {
  const server = await startServer();
  const browser = await startChromium({ webgpu, camera });
  const app = new App(server, browser);
  await app.open(path);
  return app;
}

/** The page, driven as a person would. `server`: where it is, as `startServer` gives it. */
export class App {
  constructor(server, browser) {
    this.server = server;
    this.browser = browser;
  }

  async open(path = "/") {
    const { page, problems } = await openPage(this.browser.context, this.server.url + path);
    this.page = page;
    this.problems = problems;
    page.setDefaultTimeout(30_000);
    await this.ready();
  }

  get(testid) {
    return this.page.getByTestId(testid);
  }

  /** Waits until the page has chosen its device. */
  async ready() {
    await this.get("load").waitFor();
    await this.page.waitForFunction(() => {
      const select = document.querySelector('[data-testid="device-select"]');
      return select !== null && !select.disabled;
    });
  }

  async reload() {
    await this.page.reload();
    await this.ready();
  }

  /** Waits for a loaded model. */
  async loaded() {
    await this.enabled("generate", LOAD_MS);
  }

  /** Loads from an address typed into the page. */
  async loadFrom(address) {
    await this.get("model-url").fill(address);
    await this.get("load").click();
  }

  async enabled(testid, timeout = 30_000) {
    await this.page.waitForFunction(
      (id) => {
        const button = document.querySelector(`[data-testid="${id}"]`);
        return button !== null && !button.disabled;
      },
      testid,
      { timeout },
    );
  }

  /** The error panel's code and message, once it is there. */
  async error() {
    await this.get("error").waitFor({ timeout: LOAD_MS });
    return {
      code: (await this.get("error-code").textContent()).trim(),
      message: (await this.get("error-message").textContent()).trim(),
    };
  }

  /** Sets sampling numbers by their names on the page. */
  async set(numbers) {
    for (const [testid, value] of Object.entries(numbers)) {
      await this.get(testid).fill(String(value));
      await this.get(testid).blur();
    }
  }

  /** Types a prompt, generates, and gives the text once the run has ended. */
  async generate(prompt) {
    await this.get("prompt").fill(prompt);
    await this.get("generate").click();
    return this.ended();
  }

  async ended() {
    const reason = await this.endReason();
    return { text: await this.get("output").textContent(), reason };
  }

  /** Waits for the end of the run, in either mode; gives why it ended. */
  async endReason() {
    await this.get("stats").locator("xpath=self::*[@data-reason]").waitFor({ timeout: WRITE_MS });
    return this.get("stats").getAttribute("data-reason");
  }

  async close() {
    await this.browser.close();
    await this.server.close();
  }
}
