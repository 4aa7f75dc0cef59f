/** The API's maps, encoded as .npy files in base64: float32, two dimensions, C order. */

/**
 * Read a map.
 *
 * @param {{data: string, encoding: string}} map As in the answer.
 * @returns {{values: Float32Array, rows: number, columns: number, bytes: Uint8Array}} `bytes` is the file.
 */
export function readMap(map) {
  const bytes = Uint8Array.from(atob(map.data), (character) => character.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const major = bytes[6];
  const start = major === 1 ? 10 : 12;
  const length = major === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  const header = new TextDecoder().decode(bytes.subarray(start, start + length));
  const shape = /'descr': '<f4', 'fortran_order': False, 'shape': \((\d+), (\d+)\)/.exec(header);
  if (!shape) throw new TypeError(`the map is no two-dimensional float32 array: ${header.trim()}`);
  const [rows, columns] = [Number(shape[1]), Number(shape[2])];
  const values = new Float32Array(bytes.buffer.slice(start + length), 0, rows * columns);
  return { values, rows, columns, bytes };
}
