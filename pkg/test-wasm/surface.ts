/**
 * Compiles only while `src/wasm-module.ts` describes what wasm-bindgen generated from the Rust code: the same names on
 * both sides, as many parameters, and types that fit. The build checks it once the modules are there. An error names
 * what differs: `Type '"logits"' does not satisfy the constraint 'never'`.
 */
import type * as Written from "../src/wasm-module.js";
import type * as Cpu from "../wasm/cpu/lexigraft.js";
import type * as CpuThreads from "../wasm/cpu-threads/lexigraft.js";
import type * as Gpu from "../wasm/gpu/lexigraft.js";

// biome-ignore lint/suspicious/noExplicitAny: only `any` stands for every method.
type Method = (...values: any[]) => unknown;
/** What every class of Rust has in JavaScript. */
type Owned = { free(): void };
// biome-ignore lint/complexity/noBannedTypes: it is all that wasm-bindgen knows of a callback.
type Callback = Function;
type IsAny<T> = 0 extends 1 & T ? true : false;

/** Whether a parameter as generated takes what is passed by what is written. */
type Takes<Generated, Hand> =
  IsAny<Generated> extends true
    ? true
    : [Hand, Generated] extends [Owned, Owned] | [Owned[], Owned[]] | [unknown, Callback]
      ? true
      : [Hand] extends [Generated]
        ? true
        : false;

/** Whether what is written is one way to read the result as generated: often `any` or `object`. */
type Gives<Generated, Hand> =
  IsAny<Generated> extends true
    ? true
    : [Generated, Hand] extends [Promise<infer G>, Promise<infer H>]
      ? Gives<G, H>
      : [Generated, Hand] extends [Owned, Owned]
        ? true
        : [Hand] extends [Generated]
          ? true
          : false;

/** Parameter by parameter; both lists have one length. */
type TakesAll<Generated extends unknown[], Hand extends unknown[]> = {
  [At in keyof Hand]: At extends keyof Generated ? Takes<Generated[At], Hand[At]> : false;
} extends true[]
  ? true
  : false;

type Fits<Generated extends Method, Hand extends Method> = [
  Parameters<Generated>["length"],
  Parameters<Hand>["length"],
  TakesAll<Parameters<Generated>, Parameters<Hand>>,
  Gives<ReturnType<Generated>, ReturnType<Hand>>,
] extends [Parameters<Hand>["length"], Parameters<Generated>["length"], true, true]
  ? true
  : false;

/** The names that one side lacks, or that mean another function there. */
type Drift<Generated, Hand> =
  | Exclude<keyof Generated, keyof Hand | typeof Symbol.dispose>
  | {
      [Name in keyof Hand]-?: Name extends keyof Generated
        ? [Generated[Name], Hand[Name]] extends [infer G extends Method, infer H extends Method]
          ? Fits<G, H> extends true
            ? never
            : Name
          : Name
        : Name;
    }[keyof Hand];

type None<Names extends never> = Names;

/** The functions of a module. Its classes are below; the rest is wasm-bindgen's, and a probe that only tests use. */
type Functions<Module> = Omit<
  Module,
  "default" | "initSync" | "start" | "MachineProbe" | "Sha256" | "Engine" | `Wasm${string}`
>;
type OfThreads = "threadModule" | "threadMemory" | "expectHelper" | "help";
type WrittenFunctions = Required<Omit<Written.WasmModule, "default" | "Sha256">>;

export type Surface = [
  None<Drift<Functions<typeof Cpu>, Omit<WrittenFunctions, OfThreads>>>,
  None<Drift<Functions<typeof Gpu>, Omit<WrittenFunctions, OfThreads>>>,
  None<Drift<Functions<typeof CpuThreads>, WrittenFunctions>>,
];

type Start = Parameters<Written.WasmModule["default"]>[0];
/** The modules' own start takes what is given to it. */
export type Starts = [
  None<Start extends Parameters<typeof Cpu.default>[0] ? never : "cpu">,
  None<Start extends Parameters<typeof CpuThreads.default>[0] ? never : "cpu-threads">,
  None<Start extends Parameters<typeof Gpu.default>[0] ? never : "gpu">,
];

/** The classes of a module, as they are written. */
interface Classes {
  Engine: Written.WasmEngine;
  Sha256: Written.WasmSha256;
  WasmByteModel: Written.WasmByteModel;
  WasmEncoder: Written.WasmEncoder;
  WasmGeneration: Written.WasmGeneration;
  WasmLanguageModel: Written.WasmLanguageModel;
  WasmTokenizer: Written.WasmTokenizer;
  WasmVision: Written.WasmVision;
}

/** Private constructors hide from `InstanceType`; a prototype does not. */
type Instance<Module, Name> = Name extends keyof Module
  ? Module[Name] extends { prototype: infer I }
    ? I
    : never
  : never;

type DriftOfClasses<Module> = {
  [Name in keyof Classes]: Drift<Instance<Module, Name>, Classes[Name]> extends infer Names extends string
    ? `${Name}.${Names}`
    : never;
}[keyof Classes];

export type Methods = [
  None<DriftOfClasses<typeof Cpu>>,
  None<DriftOfClasses<typeof CpuThreads>>,
  None<DriftOfClasses<typeof Gpu>>,
  // A class that is new in Rust.
  None<Exclude<keyof typeof Cpu & `Wasm${string}`, keyof Classes>>,
  None<Exclude<ConstructorParameters<typeof Cpu.Sha256>["length"], 0>>,
];

/** What must not compile, or the check would be worth nothing. */
export type Found = [
  // @ts-expect-error: a method that is not written
  None<Drift<{ old(): void; added(): void }, { old(): void }>>,
  // @ts-expect-error: a method that is gone
  None<Drift<{ old(): void }, { old(): void; gone(): void }>>,
  // @ts-expect-error: a parameter more
  None<Drift<{ change(a: string, b: number): void }, { change(a: string): void }>>,
  // @ts-expect-error: a parameter less
  None<Drift<{ change(): void }, { change(a: string): void }>>,
  // @ts-expect-error: another type of parameter
  None<Drift<{ change(a: number): void }, { change(a: string): void }>>,
  // @ts-expect-error: another result
  None<Drift<{ change(): number }, { change(): string }>>,
  // @ts-expect-error: a promise
  None<Drift<{ change(): Promise<string> }, { change(): string }>>,
];
