/** Opens the page of one contestant and waits until it can be told what to load. */
export async function openContestant(browser, server, name) {
  const page = await browser.context.newPage();
  page.on("pageerror", (error) => console.error(`  ${name}: ${error.message}`));
  await page.goto(`${server.url}/bench/${name}.html`);
  await page.waitForFunction(() => window.contestant !== undefined);
  return page;
}

/** Opens a contestant's page and loads its model; `name` is what the table calls it. */
export async function enter(browser, server, pageName, name, options) {
  const page = await openContestant(browser, server, pageName);
  const setup = await page.evaluate((options) => window.contestant.load(options), options);
  // Otherwise a fallback to one thread would be measured under the name of two.
  const threads = setup.threads ?? setup.device?.threads;
  if (options.device === "cpu" && threads !== options.threads) {
    throw new Error(`${name} has ${threads} threads, not ${options.threads}: ${setup.device?.reason ?? ""}`);
  }
  return { name, page, setup, measured: [] };
}

/** What the report keeps of a contestant. */
export function outcome({ name, setup, measured }) {
  return { name, setup, measured };
}

/** "warm-up", or the round's number. */
export function roundName(round) {
  return round === 0 ? "warm-up" : `round ${round}`;
}
