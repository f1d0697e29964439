/**
 * What is known of a download that is under way: a file beside the data, so that the download can go on after the
 * connection was cut, or the tab was closed. It has a line about the file, and then the SHA-256 of each chunk that
 * was written.
 */
import type { CacheStore } from "./cache.js";
import { CHUNK_BYTES } from "./chunker.js";
import { type FileWriter, openWriter } from "./opfs.js";
import type { DownloadHead } from "./ranges.js";

/** Bump when the fields change. */
const VERSION = 1;

interface Header extends Partial<DownloadHead> {
  version: typeof VERSION;
  url: string;
  /** Name of the data file. */
  file: string;
  chunkBytes: number;
}

export interface JournalEntry {
  head: DownloadHead;
  file: string;
  /** Of the chunks that the data file should hold. */
  digests: string[];
}

/** The journal of an address; undefined when there is none that can be read. */
export async function readJournal(
  store: CacheStore,
  key: string,
  url: string,
): Promise<JournalEntry | undefined> {
  try {
    const text = await (await store.read(store.journalName(key))).text();
    const [first = "", ...lines] = text.split("\n");
    const { version, url: its, file, chunkBytes, total, etag, lastModified } = JSON.parse(first) as Header;
    if (version !== VERSION || its !== url || chunkBytes !== CHUNK_BYTES || typeof file !== "string") {
      return undefined;
    }
    // The last line may have been written in part.
    const end = lines.findIndex((line) => !/^[0-9a-f]{64}$/.test(line));
    return { head: { total, etag, lastModified }, file, digests: lines.slice(0, end) };
  } catch {
    return undefined;
  }
}

/** Writes the journal, anew each time: an earlier one is replaced. */
export class Journal {
  private constructor(private readonly writer: FileWriter) {}

  static async open(
    store: CacheStore,
    key: string,
    { head, file, digests, url }: JournalEntry & { url: string },
  ): Promise<Journal> {
    const journal = new Journal(await openWriter(store.directory, store.journalName(key)));
    const header: Header = { version: VERSION, url, file, chunkBytes: CHUNK_BYTES, ...head };
    await journal.#line(JSON.stringify(header));
    for (const digest of digests) await journal.#line(digest);
    return journal;
  }

  /** Says that a chunk is in the data file. */
  add(digest: string): Promise<void> {
    return this.#line(digest);
  }

  close(): Promise<void> {
    return this.writer.close();
  }

  async abandon(): Promise<void> {
    await this.writer.abandon().catch(() => undefined);
  }

  #line(text: string): Promise<void> {
    return this.writer.write(new TextEncoder().encode(`${text}\n`));
  }
}
