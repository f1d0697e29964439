import assert from "node:assert/strict";
import { test } from "node:test";
import { moduleSize } from "../src/module-size.js";
import { connect, fakeModule } from "./support/fake-engine.js";

test("the latest request's sizes count", () => {
  const sizes = moduleSize("a.wasm", (url) =>
    url === "a.wasm"
      ? [
          { encodedBodySize: 9, decodedBodySize: 10 },
          { encodedBodySize: 3, decodedBodySize: 12 },
        ]
      : [],
  );
  assert.deepEqual(sizes, { bytes: 12, encodedBytes: 3 });
});

test("what the browser does not know or hides is undefined", () => {
  assert.equal(
    moduleSize("a.wasm", () => []),
    undefined,
  );
  assert.equal(
    moduleSize("a.wasm", () => [{ encodedBodySize: 0, decodedBodySize: 0 }]),
    undefined,
  );
  assert.equal(
    moduleSize("a.wasm", () => [{}]),
    undefined,
  );
  // Node records no request under this name.
  assert.equal(moduleSize("file:///a.wasm"), undefined);
});

test("memory tells both", async () => {
  const { client } = connect(fakeModule());
  await client.call("create", { device: "cpu", wasmUrl: {}, pageHasWebGpu: false });
  assert.deepEqual(await client.call("memory", {}), {
    wasmBytes: 65536,
    module: { bytes: 100, encodedBytes: 30 },
  });
  await client.close();
});
