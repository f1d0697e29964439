import { exec, execFile, spawn } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { join, relative } from "node:path";
import { promisify } from "node:util";
import { folders } from "./paths.mjs";

const execute = promisify(execFile);
export const npm = process.platform === "win32" ? "npm.cmd" : "npm";
const quiet = ["--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline"];

/** Runs a program; what it printed is part of the error when it fails. */
export async function run(program, options, cwd) {
  try {
    return (await execute(program, options, { cwd, maxBuffer: 64 * 2 ** 20 })).stdout;
  } catch (error) {
    throw new Error(`${program} ${options.join(" ")}\n${error.stdout}\n${error.stderr}`, { cause: error });
  }
}

/** Makes the package's tarball in a folder; gives its path. */
export async function packTo(folder) {
  await mkdir(folder, { recursive: true });
  const options = ["pack", "-w", "pkg", "--json", "--foreground-scripts=false", "--pack-destination", folder];
  const [{ filename }] = JSON.parse(await run(npm, options, folders.root));
  return join(folder, filename);
}

/**
 * A folder for projects. It lies beside the installed bundlers, where their projects find them, as they would find
 * those of their own.
 */
export async function projectsFolder() {
  const installed = join(folders.bundlers, "node_modules");
  if (!(await stat(installed).catch(() => undefined))) {
    throw new Error(`The bundlers are not installed in ${folders.bundlers}; \`cargo xtask test\` does that.`);
  }
  return mkdtemp(join(folders.bundlers, "projects-"));
}

/** A fresh project of a template, with the package installed from its tarball. */
export async function newProject(folder, template, tarball) {
  const project = join(folder, template);
  await cp(join(folders.bundlerTemplates, template), project, { recursive: true });
  await run(npm, ["install", ...quiet, tarball], project);
  return project;
}

export const npmRun = (project, script) => run(npm, ["run", "--silent", script], project);

/** Runs one of the installed programs. */
export const tool = (name, options, cwd) =>
  run(join(folders.bundlers, "node_modules", ".bin", name), options, cwd);

/** Runs a line as a reader of the documentation would type it. */
export const shell = (line, cwd) =>
  promisify(exec)(line, { cwd, env: { ...process.env, npm_config_prefer_offline: "true" } });

/** Starts a development server; gives the address that it tells, and a way to end it. */
export async function serveProject(line, cwd) {
  const child = spawn(line, { cwd, shell: true, detached: true, env: { ...process.env, NO_COLOR: "1" } });
  // The whole group: the shell and npx would leave the server behind.
  const close = () =>
    new Promise((resolve) => {
      child.once("close", resolve);
      process.kill(-child.pid, "SIGTERM");
    });
  let said = "";
  const url = new Promise((resolve, reject) => {
    const read = (chunk) => {
      said += chunk;
      const address = /http:\/\/localhost:\d+\/\S*/.exec(said)?.[0];
      if (address !== undefined) resolve(address);
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    child.once("exit", () => reject(new Error(`${line} ended: ${said}`)));
    setTimeout(() => reject(new Error(`${line} told no address: ${said}`)), 30_000).unref();
  });
  try {
    return { url: await url, close };
  } catch (error) {
    if (child.exitCode === null) await close();
    throw error;
  }
}

/** The files of a folder and their sizes, by their paths in it; `leaveOut` names a folder. */
export async function filesIn(folder, leaveOut) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const sizes = {};
  for (const entry of entries.filter((entry) => entry.isFile())) {
    const path = join(entry.parentPath ?? entry.path, entry.name);
    const name = relative(folder, path);
    if (leaveOut !== undefined && name.startsWith(leaveOut)) continue;
    sizes[name] = (await stat(path)).size;
  }
  return sizes;
}

export const remove = (folder) => rm(folder, { recursive: true, force: true, maxRetries: 5 });
export const read = (path) => readFile(path, "utf8");
