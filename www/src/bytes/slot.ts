import { share } from "../format.ts";

/** The slot after the 256 bytes: the end of the text. */
export const END = 256;

/** What a byte is called: its character where it has one, else its number. */
export function slotName(slot: number): string {
  if (slot === END) return "end of the text";
  const hex = `0x${slot.toString(16).padStart(2, "0")}`;
  if (slot === 0x20) return `space, ${hex}`;
  if (slot === 0x0a) return `line break, ${hex}`;
  if (slot === 0x09) return `tab, ${hex}`;
  if (slot > 0x20 && slot < 0x7f) return `“${String.fromCharCode(slot)}”, ${hex}`;
  if (slot >= 0xc2 && slot < 0xf5) return `${hex}, begins a character`;
  if (slot >= 0x80 && slot < 0xc0) return `${hex}, goes on inside a character`;
  return hex;
}

/** A byte and how likely it is, as a sentence's beginning. */
export function slotLine(slot: number, logProb: number): string {
  return `${slotName(slot)}: probability ${share(Math.exp(logProb))}, log-prob ${logProb.toFixed(3)}`;
}

/** Bytes as text, with a sign for what is none. */
export function shownBytes(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes).replaceAll("\n", "↵").replaceAll("\t", "⇥").replaceAll(" ", "␣");
}
