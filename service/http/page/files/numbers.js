/** Numbers as people read them. */

/** `0.41372` -> `41.4 %`; what is not nothing never reads as nothing. */
export function percent(share) {
  const value = 100 * share;
  if (value > 0 && value < 0.05) return "< 0.1 %";
  if (value < 100 && value >= 99.95) return "> 99.9 %";
  return `${value.toFixed(1).replace("-", "−")} %`;
}

/** Three significant digits, with a true minus sign. */
export function significant(value, digits = 3) {
  if (value === 0) return "0";
  const small = Math.abs(value) < 1e-3 || Math.abs(value) >= 1e5;
  const rounded = Number(value.toPrecision(digits));
  const text = small ? rounded.toExponential() : String(rounded);
  return text.replaceAll("-", "−");
}

/** With its sign and two decimals, as scores that chance centres on 0. */
export function signed(value, decimals = 2) {
  const text = Math.abs(value).toFixed(decimals);
  return Number(text) === 0 ? text : (value < 0 ? "−" : "+") + text;
}

/** `1234.5` ms -> `1.23 s`. */
export function duration(milliseconds) {
  if (milliseconds < 1000) return `${significant(milliseconds, milliseconds < 10 ? 2 : 3)} ms`;
  if (milliseconds < 60_000) return `${(milliseconds / 1000).toFixed(milliseconds < 10_000 ? 2 : 1)} s`;
  const seconds = Math.round(milliseconds / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** `12_345.6` ms -> `13 s`: an estimate, which has no business with decimals. */
export function roughly(milliseconds) {
  const seconds = Math.ceil(milliseconds / 1000);
  if (seconds < 60) return seconds > 1 ? `${seconds} s` : "1 s";
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** `grad_cam` -> `grad cam`: names on the wire, for reading. */
export function words(name) {
  return name.replaceAll("_", " ");
}

/** `1 forward pass`, `2 forward passes`. */
export function count(number, one, many = `${one}s`) {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}
