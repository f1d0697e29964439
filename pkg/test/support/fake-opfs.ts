/** A private file system in memory, with the failures that browsers show. */
export interface FakeOpfsOptions {
  /** `sync`: as in a worker; `stream`: as in a page; `none`: a browser that can only read. */
  writing?: "sync" | "stream" | "none";
  /** Writes beyond this many bytes in one file fail. */
  diskBytes?: number;
  /** What `estimate` says is left. */
  free?: number;
}

export class FakeOpfs {
  readonly files = new Map<string, Uint8Array<ArrayBuffer>>();
  readonly storage: StorageManager;

  constructor(private readonly options: FakeOpfsOptions = {}) {
    const directory = {
      getDirectoryHandle: async () => directory,
      getFileHandle: async (name: string, { create = false } = {}) => this.#handle(name, create),
      removeEntry: async (name: string) => {
        if (!this.files.delete(name)) throw new DOMException("no such file", "NotFoundError");
      },
      keys: () => this.#keys(),
    };
    this.storage = {
      getDirectory: async () => directory,
      estimate: async () => ({ quota: options.free ?? 1e12, usage: 0 }),
    } as unknown as StorageManager;
  }

  names(ending: string): string[] {
    return [...this.files.keys()].filter((name) => name.endsWith(ending));
  }

  async *#keys(): AsyncGenerator<string> {
    yield* [...this.files.keys()];
  }

  #handle(name: string, create: boolean) {
    if (!this.files.has(name)) {
      if (!create) throw new DOMException("no such file", "NotFoundError");
      this.files.set(name, new Uint8Array());
    }
    const { writing = "sync" } = this.options;
    return {
      name,
      getFile: async () => {
        const bytes = this.files.get(name);
        if (bytes === undefined) throw new DOMException("no such file", "NotFoundError");
        return new File([bytes], name);
      },
      ...(writing === "sync" ? { createSyncAccessHandle: async () => this.#sync(name) } : {}),
      ...(writing === "stream"
        ? {
            createWritable: async ({ keepExistingData = false } = {}) =>
              this.#stream(name, keepExistingData ? this.files.get(name) : undefined),
          }
        : {}),
    };
  }

  #sync(name: string) {
    return {
      truncate: (bytes: number) => {
        const old = this.files.get(name) ?? new Uint8Array();
        const cut = new Uint8Array(bytes);
        cut.set(old.subarray(0, bytes));
        this.files.set(name, cut);
      },
      write: (bytes: Uint8Array, { at }: { at: number }) => {
        const room = Math.max(0, (this.options.diskBytes ?? Number.POSITIVE_INFINITY) - at);
        const taken = bytes.slice(0, room);
        const old = this.files.get(name) ?? new Uint8Array();
        const grown = new Uint8Array(Math.max(old.byteLength, at + taken.byteLength));
        grown.set(old);
        grown.set(taken, at);
        this.files.set(name, grown);
        return taken.byteLength;
      },
      flush: () => undefined,
      close: () => undefined,
    };
  }

  #stream(name: string, kept: Uint8Array<ArrayBuffer> = new Uint8Array()) {
    let pending = kept.slice();
    let errored = false;
    return {
      truncate: async (bytes: number) => {
        pending = pending.slice(0, bytes);
      },
      // What follows is appended: the end is the only place that is ever sought.
      seek: async (at: number) => {
        if (at !== pending.byteLength) throw new TypeError("not the end");
      },
      write: async (bytes: Uint8Array) => {
        errored ||=
          pending.byteLength + bytes.byteLength > (this.options.diskBytes ?? Number.POSITIVE_INFINITY);
        if (errored) throw new DOMException("the quota is used up", "QuotaExceededError");
        const grown = new Uint8Array(pending.byteLength + bytes.byteLength);
        grown.set(pending);
        grown.set(bytes, pending.byteLength);
        pending = grown;
      },
      // As in browsers, nothing is in the file before this.
      close: async () => {
        if (errored) throw new TypeError("the stream has failed");
        this.files.set(name, pending);
      },
      abort: async () => {
        errored = true;
      },
    };
  }
}
