/** An answer that comes as a stream of events (HTML Living Standard, section 9.2). */

/**
 * Read the events of a body, as far as the service makes use of them: a name and one line of data each.
 *
 * @param {ReadableStream} body
 * @returns {AsyncGenerator<{name: string, data: string}>} Whoever stops reading lets go of the connection.
 */
export async function* eventsOf(body) {
  let rest = "";
  for await (const piece of pieces(body.pipeThrough(new TextDecoderStream()))) {
    const blocks = (rest + piece).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const { event, data } = Object.fromEntries(block.split("\n").map(fieldOf));
      if (data !== undefined) yield { name: event, data };
    }
  }
}

function fieldOf(line) {
  const colon = line.indexOf(": ");
  return [line.slice(0, colon), line.slice(colon + 2)];
}

/** Safari cannot iterate over a stream itself. */
async function* pieces(stream) {
  const reader = stream.getReader();
  try {
    for (let read = await reader.read(); !read.done; read = await reader.read()) yield read.value;
  } finally {
    reader.cancel().catch(() => {}); // a stream that has failed cannot be cancelled, and need not be
  }
}
