import { readFile } from "node:fs/promises";

/**
 * The browser's largest renderer process: its resident bytes now and at their peak. Workers run in
 * their page's process, so this holds the engine wherever it runs. Linux only; elsewhere undefined.
 */
export async function largestRenderer(context) {
  const session = await context.browser()?.newBrowserCDPSession();
  if (!session) return undefined;
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  await session.detach();
  let largest;
  for (const { type, id } of processInfo) {
    const status = type === "renderer" ? await readFile(`/proc/${id}/status`, "utf8").catch(() => "") : "";
    const peak = kilobytes(status, "VmHWM");
    if (peak !== undefined && peak > (largest?.peak ?? 0))
      largest = { peak, resident: kilobytes(status, "VmRSS") };
  }
  return largest;
}

function kilobytes(status, field) {
  const found = new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(status);
  return found ? Number(found[1]) * 1024 : undefined;
}
