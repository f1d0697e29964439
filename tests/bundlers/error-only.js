import { LexigraftError } from "lexigraft";

document.title = new LexigraftError("io", "Only this class is wanted.").message;
