// The camera of the See tab: one that films a moving pattern, and one that a person refuses.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { openApp } from "../support/app.mjs";

const SEE_MS = 180_000;

describe("a camera that may be used", () => {
  let app;
  before(async () => {
    app = await openApp({ path: "/#see", camera: true });
  });
  after(async () => {
    await app?.close();
  });

  const tracks = () =>
    app.page.evaluate(() => {
      const stream = document.querySelector('[data-testid="see-video"]').srcObject;
      return stream?.getTracks().map(({ kind, readyState }) => `${kind} ${readyState}`) ?? [];
    });
  const filming = () =>
    app.page.waitForFunction(() => document.querySelector('[data-testid="see-video"]').videoWidth > 0);

  test("it films, and closing it lets it go", async () => {
    assert.equal(await app.get("see-video").isVisible(), false);
    await app.get("see-camera").click();
    await filming();
    assert.equal(await app.get("see-video").isVisible(), true);
    assert.deepEqual(await tracks(), ["video live"]);
    // Remembered, since the page forgets it.
    await app.page.evaluate(() => {
      globalThis.filmed = document.querySelector('[data-testid="see-video"]').srcObject;
    });
    await app.get("see-camera-close").click();
    assert.equal(await app.get("see-video").isVisible(), false);
    assert.equal(await app.page.evaluate(() => globalThis.filmed.getTracks()[0].readyState), "ended");
  });

  test("Escape closes it too", async () => {
    await app.get("see-camera").click();
    await filming();
    await app.page.keyboard.press("Escape");
    assert.equal(await app.get("see-video").isVisible(), false);
    assert.deepEqual(await tracks(), []);
  });

  test("a picture that is taken is seen like any other", async () => {
    await app.get("see-size").selectOption("112");
    await app.get("see-method").selectOption("");
    await app.get("see-camera").click();
    await filming();
    await app.get("see-take").click();
    await app.page.waitForFunction(
      () => {
        const { seen, work } = document.querySelector(".see").dataset;
        return seen?.startsWith("Camera 1 ") && work === "none";
      },
      undefined,
      { timeout: SEE_MS },
    );
    assert.deepEqual(await app.get("see-pick").allTextContents(), ["Camera 1"]);
    assert.deepEqual(await tracks(), []);
    const colours = await app.page.evaluate(() => {
      const canvas = document.querySelector('[data-testid="see-patches"]');
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      return new Set(new Uint32Array(data.buffer)).size;
    });
    assert.ok(colours > 10, `${colours}`);
    assert.deepEqual(app.problems, []);
  });
});

describe("a camera that is refused", () => {
  let app;
  before(async () => {
    app = await openApp({ path: "/#see" });
  });
  after(async () => {
    await app?.close();
  });

  test("the page says so and goes on", async () => {
    await app.get("see-camera").click();
    await app.page.waitForFunction(
      () => document.querySelector('[data-testid="see-note"]').textContent !== "",
    );
    assert.match(await app.get("see-note").textContent(), /^The camera cannot be used: ./);
    assert.equal(await app.get("see-video").isVisible(), false);
    assert.equal(await app.get("see-camera").isEnabled(), true);
    assert.deepEqual(app.problems, []);
  });
});
