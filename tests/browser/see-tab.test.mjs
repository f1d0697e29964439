// The See tab of the built page, with the real model on the CPU path.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openApp } from "../support/app.mjs";
import { models } from "../support/paths.mjs";

/** The model from this machine, and a picture on a busy one. */
const SEE_MS = 180_000;
let app;

before(async () => {
  app = await openApp({ path: "/#see" });
});
after(async () => {
  await app?.close();
});

const data = (name) => app.page.evaluate((name) => document.querySelector(".see").dataset[name], name);
const seen = (start) =>
  app.page.waitForFunction(
    (start) => {
      const { seen, work } = document.querySelector(".see").dataset;
      return seen?.startsWith(start) && work === "none";
    },
    start,
    { timeout: SEE_MS },
  );
const facts = () => app.get("see-facts").textContent();
/** How many different colours a canvas has. */
const colours = (testid) =>
  app.page.evaluate((testid) => {
    const canvas = document.querySelector(`[data-testid="${testid}"]`);
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return new Set(new Uint32Array(data.buffer)).size;
  }, testid);

test("the address opens the tab, and a sample is seen without more", async () => {
  assert.equal(await app.get("tab-see").getAttribute("aria-selected"), "true");
  assert.equal(await app.get("see-results").isVisible(), false);
  await app.get("see-sample-coffee").click();
  await seen("coffee ward:r=16 224");
  assert.match(await facts(), /65 of 257/);
  assert.match(await facts(), /60\.2 %/);
  assert.ok((await colours("see-patches")) > 1000);
  assert.ok((await colours("see-heat")) > 1000);
  assert.match(await app.get("see-legend").textContent(), /Of 256 patches: \d+ by themselves, \d+ merged/);
});

test("the slider of blocks goes back to the first", async () => {
  await app.get("see-block").fill("1");
  assert.match(await app.get("see-legend").textContent(), /merged into (\d|1[0-6]) coloured groups/);
});

test("another method and amount are seen by keyboard", async () => {
  await app.get("see-method").selectOption("evit");
  await seen("coffee evit:keep=0.7");
  assert.match(await facts(), /90 of 257/);
  assert.match(await app.get("see-legend").textContent(), /167 dropped/);
  await app.get("see-amount").focus();
  await app.page.keyboard.press("Home");
  await seen("coffee evit:keep=0.05");
  await app.get("see-method").selectOption("");
  await seen("coffee none");
  assert.equal(await app.get("see-time").isVisible(), false);
});

test("both runs are timed in turns", async () => {
  await app.get("see-size").selectOption("112");
  await app.get("see-method").selectOption("tome");
  await seen("coffee tome");
  await app.get("see-time").click();
  await app.page.waitForFunction(() => document.querySelector(".see").dataset.timed === "5", undefined, {
    timeout: SEE_MS,
  });
  assert.match(await facts(), /median of 5/);
});

test("pictures from a file, a drop and the clipboard, and the nearest of them", async () => {
  const picture = await (await fetch(`${app.server.url}/samples/chelsea.jpg`)).arrayBuffer();
  const file = { name: "cat.jpg", mimeType: "image/jpeg", buffer: Buffer.from(picture) };
  await app.get("see-files").setInputFiles(file);
  await seen("cat.jpg");
  const give = (kind, name) =>
    app.page.evaluate(
      async ([kind, name, bytes]) => {
        const transfer = new DataTransfer();
        transfer.items.add(new File([Uint8Array.from(bytes)], name, { type: "image/jpeg" }));
        const event =
          kind === "paste"
            ? new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true })
            : new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true });
        document.body.dispatchEvent(event);
      },
      [kind, name, [...new Uint8Array(picture)]],
    );
  await give("paste", "pasted.jpg");
  await seen("pasted.jpg");
  await give("drop", "dropped.jpg");
  await seen("dropped.jpg");
  assert.match(await app.get("see-near").textContent(), /(cat|pasted)\.jpg1\.000/);
  const names = await app.get("see-pick").allTextContents();
  assert.deepEqual(names, ["coffee", "cat.jpg", "pasted.jpg", "dropped.jpg"]);
  await app.get("see-pick").nth(3).focus();
  await app.page.keyboard.press("Delete");
  assert.equal(await app.get("see-pick").count(), 3);
});

test("what is no picture says so, with its code", async () => {
  const file = { name: "text.png", mimeType: "image/png", buffer: Buffer.from("no picture") };
  await app.get("see-files").setInputFiles(file);
  const { code } = await app.error();
  assert.equal(code, "not-an-image");
  await app.get("error-dismiss").click();
});

test("a person's own weights take the place of the page's", async () => {
  const weights = await (await fetch(`${app.server.url}/models/${models.minilm}/config.json`)).arrayBuffer();
  await app.page.evaluate(
    ([bytes]) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([Uint8Array.from(bytes)], "other.onnx"));
      document.body.dispatchEvent(
        new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }),
      );
    },
    [[...new Uint8Array(weights)]],
  );
  // This file is none, and is told so; the next picture is not seen with the old model.
  assert.ok((await app.error()).code.length > 3);
});

test("it fits a narrow screen, and nothing was reported as uncaught", async () => {
  await app.page.setViewportSize({ width: 360, height: 740 });
  assert.equal(await app.page.evaluate(() => document.documentElement.scrollWidth), 360);
  assert.equal(await data("work"), "none");
  assert.deepEqual(app.problems, []);
});
