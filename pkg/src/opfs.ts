/** The origin's private file system: how files are written there, in a worker and in the page. */

/** Only workers have it, so the page's type library lacks it. */
interface SyncAccessHandle {
  truncate(bytes: number): void | Promise<void>;
  write(bytes: Uint8Array, options: { at: number }): number;
  flush(): void | Promise<void>;
  close(): void | Promise<void>;
}

type FileHandle = FileSystemFileHandle & { createSyncAccessHandle?: () => Promise<SyncAccessHandle> };

/** Appends to a file. After `close` the file can be read; `abandon` gives up, whatever state it is in. */
export interface FileWriter {
  write(bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  close(): Promise<void>;
  abandon(): Promise<void>;
}

/** The storage of this origin; undefined where the browser, or a page without https, has none. */
export function originStorage(): StorageManager | undefined {
  const storage = globalThis.navigator?.storage;
  return typeof storage?.getDirectory === "function" ? storage : undefined;
}

/**
 * Opens a file, and creates it where there is none. What it holds from the byte `at` on is cut off, and written from
 * there. Fails where the browser can only read, as some do in the page.
 */
export async function openWriter(
  directory: FileSystemDirectoryHandle,
  name: string,
  at = 0,
): Promise<FileWriter> {
  const handle: FileHandle = await directory.getFileHandle(name, { create: true });
  // Faster, and what is written survives a failure: the other way keeps a second file until it is closed.
  if (typeof handle.createSyncAccessHandle === "function") {
    const sync = await handle.createSyncAccessHandle();
    try {
      await sync.truncate(at);
    } catch (error) {
      await sync.close();
      throw error;
    }
    return new SyncWriter(sync, at);
  }
  if (typeof handle.createWritable !== "function") throw new Error("This browser cannot write files here.");
  const stream = await handle.createWritable({ keepExistingData: at > 0 });
  if (at > 0) {
    await stream.truncate(at);
    await stream.seek(at);
  }
  return new StreamWriter(stream);
}

class SyncWriter implements FileWriter {
  #open = true;

  constructor(
    private readonly handle: SyncAccessHandle,
    private at: number,
  ) {}

  async write(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const written = this.handle.write(bytes, { at: this.at });
    this.at += written;
    // Some browsers report a full disk this way.
    if (written !== bytes.byteLength) throw new DOMException("The disk is full.", "QuotaExceededError");
  }

  async close(): Promise<void> {
    await this.handle.flush();
    await this.#release();
  }

  async abandon(): Promise<void> {
    await this.#release();
  }

  async #release(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    await this.handle.close();
  }
}

class StreamWriter implements FileWriter {
  constructor(private readonly stream: FileSystemWritableFileStream) {}

  async write(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    await this.stream.write(bytes);
  }

  async close(): Promise<void> {
    await this.stream.close();
  }

  async abandon(): Promise<void> {
    await this.stream.abort().catch(() => undefined);
  }
}
