// The request that was sent, as curl and as Python, each to be copied.

import { absoluteURL } from "./api.js";
import { byId, h } from "./element.js";
import { key } from "./key.js";

const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

const LONGEST_ARGUMENT = 100_000; // bytes; Linux takes 131,072 in one argument

function curlLine(path, body) {
  const json = JSON.stringify(body);
  const authorization = key() ? ` -H "Authorization: Bearer $API_KEY"` : "";
  const line = `curl -s ${absoluteURL(path)} -H 'Content-Type: application/json'${authorization}`;
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

function pythonLines(path, body) {
  const authorization = key() ? `, "Authorization": "Bearer " + os.environ["API_KEY"]` : "";
  return `import json, ${key() ? "os, " : ""}urllib.request

body = ${literal(body)}
request = urllib.request.Request("${absoluteURL(path)}", json.dumps(body).encode(), {"Content-Type": "application/json"${authorization}})
print(json.dumps(json.load(urllib.request.urlopen(request)), indent=1))`;
}

// The clipboard API needs a secure context (localhost or https); elsewhere the deprecated command works.
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
  const status = h("span", { role: "status" });
  const button = h(
    "button",
    {
      type: "button",
      class: "quiet",
      "aria-label": `Copy the ${language} request`,
      onclick: async () => {
        await copy(text);
        status.textContent = "Copied";
        setTimeout(() => (status.textContent = ""), 2000);
      },
    },
    "Copy",
  );
  const code = h("pre", { tabindex: "0", role: "region", "aria-label": `The request in ${language}`, "data-language": language }, h("code", {}, text));
  return h("div", { class: "snippet" }, h("div", { class: "snippet-head" }, h("span", {}, language), status, button), code);
}

// Shows the request in the panel of a task, or nothing for null. The button `<task>-jump` leads to it.
export function showRequest(task, path, body) {
  const [section, jump] = [byId(`${task}-request`), byId(`${task}-jump`)];
  section.hidden = !body;
  jump.hidden = !body;
  if (!body) return;
  const title = h("h2", { tabindex: "-1" }, "Send this request yourself");
  section.replaceChildren(title, h("div", { class: "snippets" }, snippet("curl", curlLine(path, body)), snippet("Python", pythonLines(path, body))));
  jump.onclick = () => {
    title.scrollIntoView();
    title.focus({ preventScroll: true });
  };
}
