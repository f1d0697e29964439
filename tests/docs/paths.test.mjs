// What the documentation points at is there: links, and files of the repository named in it.
import assert from "node:assert/strict";
import { access, readdir } from "node:fs/promises";
import { dirname, join, normalize } from "node:path";
import { test } from "node:test";
import { rewrite, rewriteFromRoot } from "../../docs/scripts/links.mjs";
import { blocksOf, pages, read, root } from "./blocks.mjs";

const exists = (path) =>
  access(join(root, path)).then(
    () => true,
    () => false,
  );

/** A heading as GitHub and VitePress make an anchor of it. */
function anchor(heading) {
  return heading
    .toLowerCase()
    .replaceAll(/[`*]/g, "")
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
    .trim()
    .replaceAll(/\s/g, "-");
}

test("every link leads to a file, and to a heading of it", async () => {
  const missing = [];
  let count = 0;
  for (const page of await pages()) {
    for (const [, href] of (await read(page)).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(href)) continue;
      count += 1;
      const [path, fragment] = href.split("#");
      const target = path === "" ? page : normalize(join(dirname(page), path));
      if (!(await exists(target))) missing.push(`${page}: ${href}`);
      else if (fragment !== undefined && target.endsWith(".md")) {
        const headings = [...(await read(target)).matchAll(/^#+ (.*)$/gm)].map(([, text]) => anchor(text));
        if (!headings.includes(fragment)) missing.push(`${page}: ${href}`);
      }
    }
  }
  assert.ok(count > 40, `only ${count} links were found`);
  assert.deepEqual(missing, []);
});

test("every file of the repository that is named in code is there", async () => {
  // NAME and the like stand for what the reader will add.
  const file =
    /^(?:crates|shaders|pkg|www|xtask|tests|docs|assets)\/[a-z0-9_./-]+\.(?:rs|ts|mjs|js|wgsl|md|py|json|toml)$/;
  const missing = [];
  let count = 0;
  for (const page of await pages()) {
    const text = await read(page);
    for (const [, name] of text.matchAll(/`([^`\n]+)`/g)) {
      if (!file.test(name) || name.startsWith("pkg/dist")) continue;
      count += 1;
      if (!(await exists(name))) missing.push(`${page}: ${name}`);
    }
  }
  assert.ok(count > 25, `only ${count} files were named`);
  assert.deepEqual(missing, []);
});

test("every test of a crate that a command names is there", async () => {
  const crates = await readdir(join(root, "crates"));
  const missing = [];
  let count = 0;
  for (const page of await pages()) {
    for (const { language, text } of blocksOf(await read(page))) {
      if (language !== "sh") continue;
      for (const [, name] of text.matchAll(/--test ([a-z_]+)/g)) {
        count += 1;
        const places = crates.flatMap((crate) => [
          `crates/${crate}/tests/${name}.rs`,
          `crates/${crate}/tests/${name}/main.rs`,
        ]);
        const there = await Promise.all(places.map(exists));
        if (!there.includes(true)) missing.push(`${page}: ${name}`);
      }
    }
  }
  assert.ok(count >= 7, `only ${count} tests were named`);
  assert.deepEqual(missing, []);
});

test("links out of docs/ lead to the repository, or to pages that are made of those files", () => {
  assert.equal(rewrite("bytes.md#errors"), "bytes.md#errors");
  assert.equal(rewrite("../CHANGELOG.md"), "./changelog.md");
  assert.match(rewrite("../pkg/README.md#bundlers"), /^https:.*\/pkg\/README\.md#bundlers$/);
  assert.equal(rewriteFromRoot("docs/bytes.md"), "./bytes.md");
  assert.match(rewriteFromRoot("LICENSE-MIT"), /^https:.*\/LICENSE-MIT$/);
  assert.equal(rewriteFromRoot("https://example.org"), "https://example.org");
});

test("blocks are found as they stand", () => {
  const text = "a\n```ts\nlet x;\n```\n- b\n\n  ```sh\n  ls\n  ```\n";
  assert.deepEqual(blocksOf(text), [
    { language: "ts", line: 2, text: "let x;" },
    { language: "sh", line: 7, text: "ls" },
  ]);
});
