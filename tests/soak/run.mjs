// `cargo xtask soak`: what only shows after many rounds.
import { parseArgs } from "node:util";
import { cycles, slope } from "../support/cycles.mjs";

const { values } = parseArgs({ options: { cycles: { type: "string", default: "200" } } });
const count = Number(values.cycles);
if (!Number.isInteger(count) || count < 30) {
  console.error("--cycles is a number from 30 on");
  process.exit(2);
}
const megabytes = (bytes) => (bytes / 1e6).toFixed(1);
const start = performance.now();
const resident = await cycles(count, {
  onCycle: (cycle, bytes) => {
    if ((cycle + 1) % 10 === 0) console.log(`  cycle ${cycle + 1}: ${megabytes(bytes)} MB`);
  },
});
if (resident === undefined) {
  console.error("A process's memory can be looked at on Linux alone.");
  process.exit(1);
}
const warm = resident.slice(10);
console.log(
  `${count} cycles of create, load, generate, dispose in ${((performance.now() - start) / 1000).toFixed(0)} s`,
);
console.log(
  `resident after the 11th: ${megabytes(warm[0])} MB, after the last: ${megabytes(warm.at(-1))} MB`,
);
console.log(`least and most: ${megabytes(Math.min(...warm))} and ${megabytes(Math.max(...warm))} MB`);
console.log(`slope: ${(slope(resident, 10) / 1e3).toFixed(1)} kB a cycle`);
