import type { Plugin } from "vite";

/**
 * Relaxes the page's content security policy in `vite dev` only: the development client puts
 * style sheets into `<style>` elements, which the shipped policy forbids.
 */
export function devCsp(): Plugin {
  return {
    name: "lexigraft-dev-csp",
    apply: "serve",
    transformIndexHtml: {
      order: "pre",
      handler: (html) => html.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'"),
    },
  };
}
