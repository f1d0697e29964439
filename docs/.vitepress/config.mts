import { existsSync } from "node:fs";
import { defineConfig } from "vitepress";
import { rewriteLinks } from "../scripts/links.mjs";

if (!existsSync(new URL("../api/index.md", import.meta.url))) {
  throw new Error("The pages that are made of other files are missing: run `npm run generate`.");
}

/** Their tables take the room of the list of headings. */
const WIDE = new Set(["benchmarks.md", "comparison.md", "see.md", "support.md"]);

export default defineConfig({
  title: "Lexigraft",
  description: "Small transformers in a browser tab: keep the model, change its tokens.",
  lang: "en-GB",
  // As on any static host below a path: `LEXIGRAFT_DOCS_BASE=/docs/ cargo xtask docs`.
  base: process.env.LEXIGRAFT_DOCS_BASE ?? "/",
  cleanUrls: false,
  lastUpdated: false,
  // A link that leads nowhere fails the build.
  ignoreDeadLinks: false,
  srcExclude: ["scripts/**"],
  transformPageData: ({ relativePath, frontmatter }) => {
    if (WIDE.has(relativePath)) frontmatter.aside = false;
  },
  markdown: {
    config: (md) => {
      md.core.ruler.push("lexigraft-links", rewriteLinks);
    },
  },
  themeConfig: {
    outline: [2, 3],
    search: { provider: "local" },
    socialLinks: [{ icon: "github", link: "https://github.com/lexigraft/lexigraft" }],
    nav: [
      { text: "Quick start", link: "/quick-start" },
      { text: "API", link: "/api/" },
      { text: "Comparison", link: "/comparison" },
      { text: "Changelog", link: "/changelog" },
    ],
    sidebar: [
      {
        text: "Begin",
        items: [
          { text: "Quick start", link: "/quick-start" },
          { text: "Browsers", link: "/support" },
          { text: "Beside others", link: "/comparison" },
          { text: "Errors", link: "/errors" },
          { text: "A page of your own", link: "/demo" },
          { text: "Notebooks", link: "/notebooks" },
          { text: "API", link: "/api/" },
        ],
      },
      {
        text: "What it does",
        items: [
          { text: "Bytes", link: "/bytes" },
          { text: "Grafts", link: "/graft" },
          { text: "The hypernetwork", link: "/hypernetwork" },
          { text: "Dynamic tokens", link: "/dynamic" },
          { text: "Pictures", link: "/see" },
          { text: "Benchmarks", link: "/benchmarks" },
        ],
      },
      {
        text: "How",
        items: [
          { text: "Architecture", link: "/architecture" },
          { text: "Kernels", link: "/kernels" },
          { text: "Add a model", link: "/add-a-model" },
          { text: "Add a reduction method", link: "/add-a-reduction-method" },
          { text: "Add a kernel", link: "/add-a-kernel" },
        ],
      },
      {
        text: "About",
        items: [
          { text: "Faults", link: "/faults" },
          { text: "Supply chain", link: "/supply-chain" },
          { text: "Third-party material", link: "/third-party" },
          { text: "Changelog", link: "/changelog" },
        ],
      },
    ],
  },
});
