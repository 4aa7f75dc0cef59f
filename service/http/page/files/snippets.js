/** The same request as curl and as Python, to be copied. */

/**
 * The request as a curl command.
 *
 * @param {string} origin Of the service, without a slash at its end.
 * @param {string} file Name of the picture.
 * @param {Object} options As they were sent.
 * @param {boolean} needsKey The key itself is not written down: code is passed on.
 */
export function curl(origin, file, options, needsKey) {
  const { parameters = {}, ...rest } = options;
  const fields = Object.entries({ ...rest, ...parameters }).map(
    ([name, value]) => `-F ${shell(`${name}=${value}`)}`,
  );
  const key = needsKey ? [`-H "Authorization: Bearer $SALISERVECLIENT_API_KEY"`] : [];
  const lines = [
    `curl -s ${origin}/v1/explain`,
    ...key,
    `-F ${shell(`image=@${upload(file)}`)}`,
    ...fields,
    "-o answer.json",
  ];
  return lines.join(" \\\n  ");
}

/** The request with saliserve-client. */
export function python(origin, file, options, needsKey) {
  const key = needsKey ? `, api_key=os.environ["SALISERVECLIENT_API_KEY"]` : "";
  const keywords = Object.entries(options).map(([name, value]) => `        ${name}=${literal(value)},\n`);
  return `${needsKey ? "import os\n\n" : ""}from saliserve_client import Client

with Client(${literal(origin)}${key}) as client:
    answer = client.explain(
        ${literal(file)},
${keywords.join("")}    )

print(answer.prediction.label${options.receipt === "none" ? "" : ", answer.receipt.verdict"})
`;
}

/** Where a file's name is not quoted, curl takes a comma or a semicolon in it for its end. */
function upload(file) {
  return /[,;"]/.test(file) ? `"${file.replaceAll(/["\\]/g, String.raw`\$&`)}"` : file;
}

function shell(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/** JSON is Python but for three words. */
function literal(value) {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value !== "object") return JSON.stringify(value);
  return `{${Object.entries(value)
    .map(([name, one]) => `${literal(name)}: ${literal(one)}`)
    .join(", ")}}`;
}
