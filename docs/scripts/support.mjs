// Holds the table of docs/support.md to the compatibility data that package.json pins.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const BROWSERS = ["chrome", "firefox", "safari"];

/** What in the table differs from the data, in words. */
export async function differences() {
  const { features } = JSON.parse(await readFile(require.resolve("web-features/data.json"), "utf8"));
  const manifest = JSON.parse(await readFile(new URL("../package.json", import.meta.url), "utf8"));
  const version = manifest.devDependencies["web-features"];
  const page = await readFile(new URL("../support.md", import.meta.url), "utf8");
  const found = [];
  if (!page.includes(`(https://github.com/web-platform-dx/web-features) ${version},`)) {
    found.push(`the page names another version of web-features than ${version}`);
  }
  const rows = page.split("\n").filter((line) => /^\| \[`/.test(line));
  if (rows.length < 8) found.push(`only ${rows.length} rows were found`);
  for (const row of rows) {
    const [, key] = /`([a-z0-9-]+)`/.exec(row);
    const status = features[key]?.status;
    if (status === undefined) {
      found.push(`there is no feature ${key}`);
      continue;
    }
    const written = row.split("|").slice(4, 7);
    for (const [at, browser] of BROWSERS.entries()) {
      const since = status.support[browser] ?? "no";
      if (written[at].trim() !== since) found.push(`${key}: ${browser} is ${since}, not${written[at]}`);
    }
  }
  return found;
}
