import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const source = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/**
 * What axe finds wrong with the page as it stands: one line for each element, the gravest first. It runs in the
 * page's own world, past the content security policy, which forbids scripts of others.
 */
export async function findings(page) {
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(source);
  const violations = await page.evaluate(async () => {
    // Before a gradient axe leaves contrasts undecided. This one is the surface, but for its cut corner.
    const plain = new CSSStyleSheet();
    plain.replaceSync(".sheet { background: var(--surface) }");
    document.adoptedStyleSheets.push(plain);
    try {
      return (await window.axe.run({ resultTypes: ["violations"] })).violations;
    } finally {
      document.adoptedStyleSheets.pop();
    }
  });
  const order = ["critical", "serious", "moderate", "minor"];
  return violations
    .sort((a, b) => order.indexOf(a.impact) - order.indexOf(b.impact))
    .flatMap(({ id, impact, nodes }) =>
      nodes.map(({ target, failureSummary }) => ({
        impact,
        text: `${impact} ${id} ${target.join(" ")}: ${failureSummary.split("\n").slice(1).join("; ").trim()}`,
      })),
    );
}

/** The element that has the focus, and whether a person sees that it does. */
export function focused(page) {
  return page.evaluate(() => {
    const element = document.activeElement;
    if (element === null || element === document.body) return undefined;
    const ringed = (candidate) => {
      const { outlineStyle, outlineWidth } = getComputedStyle(candidate);
      return outlineStyle !== "none" && Number.parseFloat(outlineWidth) >= 1;
    };
    // Controls that are drawn by their label show the ring there.
    const holder = [element, element.closest("label"), element.closest(".segments")].find(
      (candidate) => candidate && ringed(candidate),
    );
    const { left, right, top, bottom } = (holder ?? element).getBoundingClientRect();
    return {
      name:
        element.dataset.testid ?? (element.id || `${element.tagName} ${element.textContent.slice(0, 30)}`),
      ring: holder !== undefined,
      inView:
        right > 0 && bottom > 0 && left < innerWidth && top < innerHeight && right > left && bottom > top,
    };
  });
}

/** How many pixels the page is wider than its window. */
export function overflow(page) {
  return page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    return scrollWidth - clientWidth;
  });
}
