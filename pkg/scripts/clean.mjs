// What a file that is gone once compiled to must not be packed.
import { rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";

await rm(fileURLToPath(new URL("../dist", import.meta.url)), { recursive: true, force: true });
