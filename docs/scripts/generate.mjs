// Makes the pages that are made of other files: the changelog and third-party material from the root of
// the repository, the API from the types of the npm package. None of them is committed.
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { Application } from "typedoc";
import { PAGES, rewriteFromRoot } from "./links.mjs";
import { differences } from "./support.mjs";

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));

const wrong = await differences();
if (wrong.length > 0) throw new Error(`docs/support.md: ${wrong.join("; ")}`);

for (const [file, page] of Object.entries(PAGES)) {
  const text = await readFile(path(`../../${file}`), "utf8");
  const links = text.replaceAll(/\]\(([^)\s]+)\)/g, (_, href) => `](${rewriteFromRoot(href)})`);
  await writeFile(path(`../${page}`), `---\neditLink: false\n---\n\n${links}`);
}

await rm(path("../api"), { recursive: true, force: true });
await mkdir(path("../api"), { recursive: true });
const app = await Application.bootstrapWithPlugins({
  plugin: ["typedoc-plugin-markdown"],
  name: "API of the npm package",
  entryPoints: [path("../../pkg/src/index.ts")],
  tsconfig: path("../../pkg/tsconfig.json"),
  out: path("../api"),
  readme: "none",
  excludeInternal: true,
  disableSources: true,
  githubPages: false,
  // A type that no page describes, or a link to nothing, fails the build.
  validation: { notExported: true, invalidLink: true, notDocumented: false },
  // What a caller without a browser hands to `probeWebGpu`.
  intentionallyNotExported: ["GpuLike"],
  // Of typedoc-plugin-markdown.
  entryFileName: "index.md",
  hideBreadcrumbs: true,
  hidePageHeader: true,
  useCodeBlocks: true,
  expandObjects: true,
  parametersFormat: "table",
  interfacePropertiesFormat: "table",
  typeDeclarationFormat: "table",
});
const project = await app.convert();
if (project === undefined) process.exit(1);
app.validate(project);
await app.generateOutputs(project);
if (app.logger.hasErrors() || app.logger.hasWarnings()) process.exit(1);
