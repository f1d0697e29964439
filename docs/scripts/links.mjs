// Pages link as they do in the repository, where GitHub shows them; the site has some of those files as
// pages of its own, and the rest is a link to the repository.

export const REPOSITORY = "https://github.com/lexigraft/lexigraft/blob/main/";

/** Files outside docs/ that are pages here, by their path from the root of the repository. */
export const PAGES = {
  "CHANGELOG.md": "changelog.md",
  "THIRD_PARTY.md": "third-party.md",
};

/** Where a link of a page of docs/ leads on the site. */
export function rewrite(href) {
  if (!href.startsWith("../")) return href;
  const [path, anchor] = href.slice(3).split("#");
  const page = PAGES[path];
  const to = page === undefined ? REPOSITORY + path : `./${page}`;
  return anchor === undefined ? to : `${to}#${anchor}`;
}

/** As {@link rewrite}, for a file of the root, which knows pages as docs/NAME.md. */
export function rewriteFromRoot(href) {
  if (/^([a-z]+:|#)/.test(href)) return href;
  return href.startsWith("docs/") ? `./${href.slice("docs/".length)}` : rewrite(`../${href}`);
}

/** A rule of markdown-it. */
export function rewriteLinks(state) {
  for (const block of state.tokens) {
    for (const token of block.children ?? []) {
      if (token.type === "link_open") token.attrSet("href", rewrite(token.attrGet("href") ?? ""));
    }
  }
}
