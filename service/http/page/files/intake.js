/** The ways in for a picture: chosen, dropped, pasted, photographed, or one of the samples. */

import { fetchSample } from "./api.js";
import { photograph } from "./camera.js";
import { outlineSeen } from "./canvas.js";
import { element, fill } from "./element.js";

/** Longest side of what is kept for drawing, in pixels; the API gets the file as it is. */
const LONGEST_SIDE = 1600;

/** Takes pictures in and shows which one is under the lens. */
export class Intake {
  /**
   * @param {HTMLElement} root Holds the controls.
   * @param {{onpicture: function, onrefuse: function(string), onfail: function(Problem)}} listener `onpicture` is
   *     told of every new picture: `{blob, name, ground}`, where `ground` is null if this browser cannot show the format.
   */
  constructor(root, listener) {
    this.listener = listener;
    this.turn = 0;
    this.preview = root.querySelector("#preview");
    this.caption = root.querySelector("#preview-name");
    this.captured = root.querySelector("#captured");
    for (const input of root.querySelectorAll("input[type=file]")) {
      input.addEventListener("change", () => this.#takeFiles(input.files).then(() => (input.value = "")));
    }
    root.querySelector("#photograph").addEventListener("click", () => this.#photograph());
    this.#listenToDrops();
    document.addEventListener("paste", (event) => this.#paste(event));
  }

  /** Take a picture in; of several that are on their way the one chosen last counts, not the one that is there last. */
  async take(coming, name) {
    const turn = ++this.turn;
    try {
      const blob = await coming;
      const picture = { blob, name, ground: await groundOf(blob) };
      if (turn === this.turn) this.#put(picture);
    } catch (problem) {
      if (turn === this.turn) this.listener.onfail(problem);
    }
  }

  #put(picture) {
    this.picture = picture;
    this.outline(null);
    fill(this.caption, picture.name);
    this.listener.onpicture(picture);
  }

  /** Outline what the model saw; *extent* is the answer's `picture`. */
  outline(extent) {
    const { ground } = this.picture;
    this.preview.hidden = !ground;
    if (ground) outlineSeen(this.preview, ground, extent);
  }

  /** Offer the bundled pictures. */
  offer(samples, list) {
    const buttons = samples.map(({ name, label, url }) => {
      const image = element("img", { src: url, alt: label, loading: "lazy", width: 64, height: 64 });
      return element(
        "li",
        {},
        element("button", { type: "button", onclick: () => this.take(fetchSample(url), name) }, image),
      );
    });
    fill(list, buttons);
    list.parentElement.hidden = samples.length === 0;
  }

  async #takeFiles(files) {
    if (files.length > 0) await this.take(files[0], files[0].name);
  }

  async #photograph() {
    const hasCamera = navigator.mediaDevices?.getUserMedia && matchMedia("(pointer: fine)").matches;
    if (!hasCamera) return this.captured.click(); // a phone's own camera app is better than ours
    try {
      const photo = await photograph(document.querySelector("#camera"));
      if (photo) await this.take(photo, "photo.jpg");
    } catch (error) {
      this.listener.onrefuse(`The camera cannot be used: ${error.message}`);
    }
  }

  #paste(event) {
    if (event.clipboardData.files.length === 0) return;
    event.preventDefault();
    this.#takeFiles(event.clipboardData.files);
  }

  #listenToDrops() {
    const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
    const mark = (isOver) => document.body.classList.toggle("dropping", isOver);
    document.addEventListener("dragover", (event) => {
      event.preventDefault();
      mark(carriesFiles(event));
    });
    document.addEventListener("dragleave", (event) => event.relatedTarget ?? mark(false));
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      mark(false);
      if (event.dataTransfer.files.length > 0) this.#takeFiles(event.dataTransfer.files);
      else this.listener.onrefuse("That was no file. Save the picture first, then drop the file here.");
    });
  }
}

/** The upright picture on a canvas, reduced if it is large; null where this browser cannot decode it. */
async function groundOf(blob) {
  const url = URL.createObjectURL(blob);
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    const scale = Math.min(1, LONGEST_SIDE / Math.max(image.naturalWidth, image.naturalHeight));
    const ground = new OffscreenCanvas(
      Math.max(1, Math.round(image.naturalWidth * scale)),
      Math.max(1, Math.round(image.naturalHeight * scale)),
    );
    const context = ground.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(image, 0, 0, ground.width, ground.height);
    return ground;
  } catch {
    return null; // such as TIFF: the API may well read it, and paints the overlay then
  } finally {
    URL.revokeObjectURL(url);
  }
}
