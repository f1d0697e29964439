/** A real JupyterLab, and a notebook of it in Chromium. */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { copyFile, mkdtemp, readdir, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { folders } from "../support/paths.mjs";

const examples = join(folders.root, "notebooks", "examples");

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Starts JupyterLab in an empty folder with the example notebooks in it. */
export async function startJupyter() {
  const folder = await mkdtemp(join(tmpdir(), "lexigraft-jupyter-"));
  for (const name of await readdir(examples)) {
    if (name.endsWith(".ipynb")) await copyFile(join(examples, name), join(folder, name));
  }
  const port = await freePort();
  const token = randomBytes(16).toString("hex");
  const own = (name) => join(folder, `.${name}`);
  const options = [
    "--no-browser",
    `--port=${port}`,
    "--ServerApp.port_retries=0",
    `--IdentityProvider.token=${token}`,
  ];
  // As root, as containers are.
  options.push("--allow-root", `--ServerApp.root_dir=${folder}`, "--expose-app-in-browser");
  options.push("--LabApp.news_url=None", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate");
  const said = [];
  const server = spawn(join(folders.jupyter, "bin", "python"), ["-m", "jupyterlab", ...options], {
    env: {
      ...process.env,
      LEXIGRAFT_MODELS: folders.models,
      JUPYTER_CONFIG_DIR: own("config"),
      JUPYTER_DATA_DIR: own("data"),
      JUPYTER_RUNTIME_DIR: own("runtime"),
      IPYTHONDIR: own("ipython"),
      JUPYTERLAB_SETTINGS_DIR: own("settings"),
      JUPYTERLAB_WORKSPACES_DIR: own("workspaces"),
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = new Promise((resolve) => server.once("close", resolve));
  server.once("error", (error) => said.push(String(error)));
  for (const stream of [server.stdout, server.stderr]) stream.on("data", (data) => said.push(String(data)));
  const url = `http://localhost:${port}`;
  const close = async () => {
    // It ends its kernels too.
    server.kill("SIGTERM");
    await ended;
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  for (let tries = 0; ; tries += 1) {
    const answer = await fetch(`${url}/api/status?token=${token}`).catch(() => undefined);
    if (answer?.ok) break;
    if (tries > 240 || server.exitCode !== null) {
      await close();
      throw new Error(`JupyterLab does not start:\n${said.join("")}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  return { url, token, folder, said, close };
}

/**
 * Opens a notebook in JupyterLab and waits for its kernel. `problems` are the page's uncaught errors, and what it wrote to
 * its console as an error, failed requests apart: some tests make requests fail.
 */
export async function openNotebook(context, jupyter, name, { subshells = true } = {}) {
  const page = await context.newPage();
  const problems = [];
  page.on("pageerror", (error) => problems.push(error.message));
  page.on("console", (message) => {
    const text = message.text();
    if (message.type() === "error" && !text.startsWith("Failed to load resource")) problems.push(text);
  });
  const ready = () =>
    page.waitForFunction(
      () => globalThis.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === "idle",
      undefined,
      { timeout: 90_000 },
    );
  await page.goto(`${jupyter.url}/lab/tree/${name}?token=${jupyter.token}&reset`);
  await ready();
  if (!subshells) {
    // As other editors and older versions of this one send a widget's messages.
    await page.evaluate(() => {
      globalThis.jupyterapp.shell.currentWidget.sessionContext.session.kernel.commsOverSubshells = "disabled";
    });
  }
  return {
    page,
    problems,
    /** Runs all cells; gives each code cell's outputs as text, and the errors. */
    async runAll() {
      await page.evaluate(() => globalThis.jupyterapp.commands.execute("notebook:run-all-cells"));
      return page.evaluate(() => {
        const { cells } = globalThis.jupyterapp.shell.currentWidget.content.model;
        return [...cells]
          .filter(({ type }) => type === "code")
          .map(({ outputs }) => outputs.toJSON())
          .map((outputs) => ({
            text: outputs
              .map(({ text, data }) => [text ?? data?.["text/plain"] ?? ""].flat().join(""))
              .join(""),
            errors: outputs.filter(({ output_type }) => output_type === "error").map(({ evalue }) => evalue),
          }));
      });
    },
    /** Runs a line in the notebook's kernel, then gives the value of an expression, which Python writes as JSON. */
    async python(code, expression = "None") {
      const reply = await page.evaluate(
        async ([code, expression]) => {
          const { kernel } = globalThis.jupyterapp.shell.currentWidget.sessionContext.session;
          const asked = kernel.requestExecute({
            code,
            silent: false,
            store_history: false,
            user_expressions: { value: `__import__("json").dumps(${expression})` },
          });
          return (await asked.done).content;
        },
        [code, expression],
      );
      if (reply.status !== "ok") throw new Error(`${reply.ename}: ${reply.evalue}`);
      const { value } = reply.user_expressions;
      if (value.status !== "ok") throw new Error(`${value.ename}: ${value.evalue}`);
      // What comes is Python's own way to write a string.
      const quoted = value.data["text/plain"];
      return JSON.parse(quoted.slice(1, -1).replaceAll(/\\(['\\])/g, "$1"));
    },
    /** Saves the notebook and loads the page anew; the kernel lives on. */
    async reload() {
      await page.evaluate(() => globalThis.jupyterapp.commands.execute("docmanager:save"));
      await page.reload();
      await ready();
    },
    /** Interrupts the kernel, as the square button does. */
    interrupt: () =>
      page.evaluate(() =>
        globalThis.jupyterapp.shell.currentWidget.sessionContext.session.kernel.interrupt(),
      ),
    /** Ends the kernel too, which the next page of the same notebook would get else. */
    async close() {
      await page.evaluate(() => globalThis.jupyterapp.shell.currentWidget.sessionContext.shutdown());
      await page.close();
    },
  };
}
