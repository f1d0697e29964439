import { Lexigraft } from "lexigraft";

const lexigraft = await Lexigraft.create();
const model = await lexigraft.languageModel("models/smollm2.gguf");
const answer = model.generate("The capital of France is", { maxTokens: 8, temperature: 0 });
for await (const piece of answer) document.body.append(piece.text);
document.body.dataset.ids = String((await answer.result).ids);
