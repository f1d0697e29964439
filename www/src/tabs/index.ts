import { bench } from "./bench.ts";
import { bytes } from "./bytes.ts";
import { generate } from "./generate.ts";
import { graft } from "./graft.ts";
import { see } from "./see.ts";
import type { Tab } from "./tab.ts";

/** The tabs of the page in their order; the first is shown when the address names none. */
export const tabs: readonly [Tab, ...Tab[]] = [generate, bytes, graft, see, bench];
