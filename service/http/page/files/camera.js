/** A photo from the camera of a machine that has no camera app of its own. */

/**
 * Show what the camera sees until a photo is taken or the dialog is closed.
 *
 * @param {HTMLDialogElement} dialog With a `video` and a form whose buttons are `take` and `close`.
 * @returns {Promise<Blob|null>} A JPEG; null if there is none.
 */
export async function photograph(dialog) {
  const stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1920 } } });
  const video = dialog.querySelector("video");
  const take = dialog.querySelector("button[value=take]");
  try {
    take.disabled = true; // until there is something to take
    video.addEventListener("loadeddata", () => (take.disabled = false), { once: true });
    video.srcObject = stream;
    dialog.returnValue = "";
    dialog.showModal();
    await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
    return dialog.returnValue === "take" ? await still(video) : null;
  } finally {
    stream.getTracks().forEach((track) => track.stop());
    video.srcObject = null;
  }
}

async function still(video) {
  const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
  canvas.getContext("2d").drawImage(video, 0, 0);
  return canvas.convertToBlob({ type: "image/jpeg", quality: 0.95 });
}
