import { el } from "../dom.ts";

/** A live picture with a button that takes it; stays hidden until it is opened. */
export class Camera {
  readonly element: HTMLElement;
  readonly open: HTMLButtonElement;
  readonly #video = el("video", { class: "see-video", playsinline: true, testid: "see-video" });
  #stream: MediaStream | undefined;

  constructor(
    private readonly take: (bitmap: ImageBitmap) => void,
    private readonly failed: (message: string) => void,
  ) {
    this.#video.muted = true;
    this.element = el(
      "div",
      { class: "see-camera", hidden: true },
      this.#video,
      el(
        "div",
        { class: "toolbar" },
        el(
          "button",
          { type: "button", class: "primary", testid: "see-take", on: { click: () => void this.#take() } },
          "Take picture",
        ),
        el(
          "button",
          { type: "button", testid: "see-camera-close", on: { click: () => this.close() } },
          "Close camera",
        ),
      ),
    );
    this.open = el(
      "button",
      {
        type: "button",
        testid: "see-camera",
        // Pages without HTTPS have no camera.
        hidden: navigator.mediaDevices === undefined,
        on: { click: () => void this.#start() },
      },
      "Camera",
    );
  }

  async #start(): Promise<void> {
    try {
      this.#stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
      this.#video.srcObject = this.#stream;
      this.element.hidden = false;
      await this.#video.play();
    } catch (error) {
      this.close();
      this.failed(error instanceof Error ? error.message : String(error));
    }
  }

  async #take(): Promise<void> {
    if (this.#video.videoWidth === 0) return;
    this.take(await createImageBitmap(this.#video));
    this.close();
    this.open.focus();
  }

  close(): void {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = undefined;
    this.#video.srcObject = null;
    this.element.hidden = true;
  }
}
