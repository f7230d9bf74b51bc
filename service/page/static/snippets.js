// The same request as a line for the shell and as Python, each to be copied.

import { address } from "./api.js";
import { h } from "./element.js";
import { key } from "./key.js";

const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

const LONGEST_ARGUMENT = 100_000; // bytes; Linux takes 131,072 in one argument

export function curlLine(path, body) {
  const json = JSON.stringify(body);
  const authorization = key() ? ` -H "Authorization: Bearer $API_KEY"` : "";
  const line = `curl -s ${address(path)} -H 'Content-Type: application/json'${authorization}`;
  if (new TextEncoder().encode(quoted(json)).length <= LONGEST_ARGUMENT) return `${line} -d ${quoted(json)}`;
  return `${line} --data-binary @- <<'END'\n${json}\nEND\n`;
}

// A JSON value as a Python literal; JSON's strings are Python's too.
function literal(value) {
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value !== "object") return JSON.stringify(value);
  return `{${Object.entries(value).map(([name, inner]) => `${JSON.stringify(name)}: ${literal(inner)}`).join(", ")}}`;
}

export function pythonLines(path, body) {
  const authorization = key() ? `, "Authorization": "Bearer " + os.environ["API_KEY"]` : "";
  return `import json, ${key() ? "os, " : ""}urllib.request

body = ${literal(body)}
request = urllib.request.Request("${address(path)}", json.dumps(body).encode(), {"Content-Type": "application/json"${authorization}})
print(json.dumps(json.load(urllib.request.urlopen(request)), indent=1))`;
}

// The clipboard needs a secure page (this machine or https); elsewhere the older way does it.
async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const box = h("textarea", { class: "unseen" });
  box.value = text;
  document.body.append(box);
  box.select();
  document.execCommand("copy");
  box.remove();
  return undefined;
}

function snippet(language, text) {
  const said = h("span", { role: "status" });
  const button = h(
    "button",
    {
      type: "button",
      class: "quiet",
      "aria-label": `Copy the ${language} request`,
      onclick: async () => {
        await copy(text);
        said.textContent = "Copied";
        setTimeout(() => (said.textContent = ""), 2000);
      },
    },
    "Copy",
  );
  const code = h("pre", { tabindex: "0", role: "region", "aria-label": `The request in ${language}`, "data-language": language }, h("code", {}, text));
  return h("div", { class: "snippet" }, h("div", { class: "snippet-head" }, h("span", {}, language), said, button), code);
}

export function snippets(path, body) {
  return [snippet("curl", curlLine(path, body)), snippet("Python", pythonLines(path, body))];
}
