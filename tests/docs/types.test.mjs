// Every TypeScript block of the documentation passes `tsc --strict` against the package's types. The blocks
// of a page go on from one another: each is in the scope of those before it, and may give a name anew.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { blocksOf, pages, read, root } from "./blocks.mjs";

const IMPORT = /import\s+(?:type\s+)?\{([^}]*)\}\s+from\s+"([^"]+)";/g;
let folder;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "lexigraft-docs-"));
  await copyFile(join(root, "tests", "docs", "reader.d.ts"), join(folder, "reader.d.ts"));
  const options = {
    strict: true,
    noEmit: true,
    target: "ESNext",
    module: "ESNext",
    moduleResolution: "bundler",
    lib: ["ESNext", "ESNext.Disposable", "DOM", "DOM.Iterable", "DOM.AsyncIterable"],
    // Of the package's part for Node.
    types: ["node"],
    typeRoots: [join(root, "node_modules", "@types")],
    skipLibCheck: true,
    paths: Object.fromEntries(
      (await entries()).map((entry) => [entry, [join(root, "pkg", "src", "index.ts")]]),
    ),
  };
  const glue = join(root, "pkg", "src", "wasm-glue.d.ts");
  await writeFile(
    join(folder, "tsconfig.json"),
    JSON.stringify({ compilerOptions: options, include: ["*.ts", glue] }),
  );
});
after(() => rm(folder, { recursive: true, force: true }));

/** The package's entries for people, which all have the types of the first. */
async function entries() {
  const { exports } = JSON.parse(await read("pkg/package.json"));
  const others = ["./worker", "./thread", "./wasm/*", "./package.json"];
  return Object.keys(exports)
    .filter((entry) => !others.includes(entry))
    .map((entry) => entry.replace(/^\./, "lexigraft"));
}

/** Which names a block imports from where. */
function importsOf(text) {
  return [...text.matchAll(IMPORT)].flatMap(([, list, from]) =>
    list
      .split(",")
      .map((name) => name.trim())
      .filter((name) => name !== "")
      .map((name) => ({ name, from })),
  );
}

/** A page's blocks in modules: one, unless a block takes a name from elsewhere and so begins anew. */
function groupsOf(blocks) {
  const groups = [];
  let known = new Map();
  for (const block of blocks) {
    const imports = importsOf(block.text);
    if (groups.length === 0 || imports.some(({ name, from }) => (known.get(name) ?? from) !== from)) {
      groups.push([]);
      known = new Map();
    }
    groups.at(-1).push(block);
    for (const { name, from } of imports) known.set(name, from);
  }
  return groups;
}

/** One module of blocks, each on the lines where it stands in its page. */
function moduleOf(text, blocks) {
  const lines = text.split("\n").map(() => "");
  const imports = new Map();
  for (const block of blocks) {
    for (const { name, from } of importsOf(block.text)) imports.set(name, from);
    const body = block.text.replaceAll(IMPORT, (whole) => "\n".repeat(whole.split("\n").length - 1));
    lines[block.line - 1] = "{";
    for (const [at, line] of body.split("\n").entries()) lines[block.line + at] = line;
  }
  const all = [...imports].map(([name, from]) => `import { ${name} } from "${from}";`);
  lines[0] = `export {}; ${all.join(" ")} ${lines[0]}`;
  return `${lines.join("\n")}\n${"}".repeat(blocks.length)}\n`;
}

function check() {
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  const { stdout, stderr, status } = spawnSync(process.execPath, [tsc, "-p", folder, "--pretty", "false"], {
    encoding: "utf8",
  });
  return { status, said: stdout + stderr };
}

test("every block passes tsc --strict", async () => {
  let count = 0;
  for (const page of await pages()) {
    const text = await read(page);
    const blocks = blocksOf(text).filter(({ language }) => language === "ts");
    if (blocks.length === 0) continue;
    count += blocks.length;
    for (const [at, group] of groupsOf(blocks).entries()) {
      const name = `${page.replaceAll("/", "_")}${at === 0 ? "" : `-${at}`}.ts`;
      await writeFile(join(folder, name), moduleOf(text, group));
    }
  }
  assert.ok(count >= 20, `only ${count} blocks were found`);
  const { status, said } = check();
  assert.equal(status, 0, said.replaceAll("_", "/"));
});

test("a block that takes a name from elsewhere begins anew", () => {
  const block = (text) => ({ text, line: 1 });
  const page = block('import { A } from "a";');
  assert.equal(groupsOf([page, block("A;"), block('import { A, B } from "a";')]).length, 1);
  assert.deepEqual(
    groupsOf([page, block('import { A } from "b";'), block("A;")]).map((group) => group.length),
    [1, 2],
  );
});

test("a block with an error does not pass", async () => {
  const wrong = "# A page\n```ts\nconst model = await lx.languageModel(7);\n```\n";
  await writeFile(join(folder, "wrong.md.ts"), moduleOf(wrong, blocksOf(wrong)));
  const { status, said } = check();
  assert.notEqual(status, 0);
  assert.match(said, /wrong\.md\.ts\(3,\d+\): error TS2345/);
});
