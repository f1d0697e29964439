import type { ChatMessage } from "lexigraft";
import { announce } from "../announce.ts";
import type { App } from "../app.ts";
import { el, uniqueId } from "../dom.ts";
import { copyButton } from "./copy.ts";
import type { Desk, Mode } from "./desk.ts";
import { runInto } from "./run.ts";
import { followEnd } from "./scroll.ts";
import type { TokenView } from "./token-view.ts";

const examples = [
  "What is gravity?",
  "Write a short poem about an apple tree.",
  "Explain tokens to a child.",
];

/** Chat mode: a conversation through the model's chat template. */
export function chatMode(app: App, desk: Desk): Mode {
  const { session, settings, save } = app;
  const inputId = uniqueId("chat");
  const systemId = uniqueId("system");
  const history: ChatMessage[] = [];
  let last: TokenView | undefined;

  const system = el("textarea", {
    id: systemId,
    class: "wide",
    rows: 2,
    testid: "system-prompt",
    placeholder: "The model's own, if it has one",
  });
  system.value = settings.system;
  system.addEventListener("input", () => {
    settings.system = system.value;
    save();
  });

  const messages = el("ol", { class: "messages" });
  const transcript = el(
    "div",
    // Off: a log would be read out token by token; run.ts says the whole reply at its end.
    {
      class: "transcript",
      role: "log",
      "aria-live": "off",
      "aria-label": "Conversation",
      tabindex: 0,
      testid: "transcript",
    },
    messages,
  );
  transcript.addEventListener("keydown", desk.inspector.onKey);
  followEnd(transcript);

  const input = el("textarea", {
    id: inputId,
    class: "sheet-text chat-input",
    rows: 2,
    testid: "chat-input",
    placeholder: "Write a message",
  });
  input.addEventListener("keydown", (event) => {
    // While an input method composes a character, Enter belongs to it.
    if (event.key !== "Enter" || event.isComposing || event.shiftKey || event.ctrlKey || event.metaKey)
      return;
    event.preventDefault();
    void start();
  });
  const tries = el(
    "p",
    { class: "examples" },
    el("span", { class: "muted" }, "Try"),
    ...examples.map((example) =>
      el(
        "button",
        {
          type: "button",
          class: "example",
          on: {
            click: () => {
              input.value = example;
              input.focus();
            },
          },
        },
        example,
      ),
    ),
  );

  const templateNote = el(
    "p",
    { class: "note", hidden: true, testid: "no-template" },
    "This model has no chat template: use prompt mode.",
  );
  const hasTemplate = () => session.model.value?.lm.info.hasChatTemplate ?? true;
  session.model.watch(() => {
    templateNote.hidden = hasTemplate();
  });

  const addMessage = (role: "user" | "assistant", body: HTMLElement, ...extra: HTMLElement[]) => {
    const name = role === "user" ? "You" : "Model";
    const item = el(
      "li",
      { class: `message ${role}`, testid: `message-${role}` },
      el("div", { class: "row" }, el("h3", { class: "role" }, name), ...extra),
      body,
    );
    messages.append(item);
    tries.hidden = true;
    return item;
  };

  const start = async () => {
    const text = input.value.trim();
    if (!desk.ready || !hasTemplate() || text === "") {
      if (text === "") input.focus();
      return;
    }
    const question = addMessage("user", el("div", { class: "text" }, text));
    const view = desk.view("reply");
    const copy = copyButton(
      "copy-reply",
      () => view.text,
      () => view.element,
    );
    const answer = addMessage("assistant", view.element, copy);
    transcript.scrollTop = transcript.scrollHeight;
    last = view;
    input.value = "";
    desk.inspect(undefined);

    const asked: ChatMessage = { role: "user", content: text };
    const prompt = system.value.trim();
    const sent: ChatMessage[] = [
      ...(prompt === "" ? [] : [{ role: "system", content: prompt }]),
      ...history,
      asked,
    ];
    const result = await runInto(app, view, desk.stats, (lm, options) => lm.chat(sent, options));
    if (!answer.isConnected) return;
    if (result && result.ids.length > 0) history.push(asked, { role: "assistant", content: result.text });
    else {
      // Nothing came of it: give the message back to be sent again.
      question.remove();
      answer.remove();
      tries.hidden = history.length > 0;
      if (input.value === "") input.value = text;
      last = undefined;
    }
    desk.inspect(last);
  };

  const startButton = el(
    "button",
    {
      type: "button",
      class: "primary",
      testid: "send",
      "aria-keyshortcuts": "Enter Control+Enter Meta+Enter",
      on: { click: () => void start() },
    },
    "Send",
  );
  desk.gate(startButton, hasTemplate);

  const newChat = el("button", { type: "button", class: "quiet", testid: "new-chat" }, "New chat");
  newChat.addEventListener("click", async () => {
    await session.stopRun();
    history.length = 0;
    messages.replaceChildren();
    last = undefined;
    tries.hidden = false;
    desk.stats.clear();
    desk.inspect(undefined);
    input.focus();
    announce("New chat.");
  });

  const toolbar = el("div", { class: "toolbar" }, startButton);
  const element = el(
    "div",
    { class: "mode" },
    el(
      "div",
      { class: "row top-row" },
      el(
        "details",
        { class: "fold system", testid: "system" },
        el("summary", {}, "System prompt"),
        el("label", { for: systemId, class: "visually-hidden" }, "System prompt"),
        system,
      ),
      newChat,
    ),
    templateNote,
    transcript,
    tries,
    el("hr", { class: "graft-line" }),
    el("label", { for: inputId, class: "visually-hidden" }, "Message"),
    input,
    toolbar,
  );
  return {
    element,
    toolbar,
    startButton,
    current: () => last,
    start,
    hint: "Enter sends, Shift + Enter breaks the line",
  };
}
