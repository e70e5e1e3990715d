"use strict";
// Draws /schema/openapi.json. Plain DOM calls only: nothing from the document is ever HTML.

const $ = (id) => document.getElementById(id);
const METHODS = ["get", "post", "put", "patch", "delete"];

function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") node.className = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== undefined && child !== null));
  return node;
}

let doc = {};

function resolve(schema) {
  if (!schema) return {};
  if (schema.$ref) {
    const target = schema.$ref.slice(2).split("/").reduce((at, key) => at?.[key], doc);
    return resolve(target);
  }
  const options = schema.oneOf || schema.anyOf;
  if (options) {
    const real = options.filter((option) => option.type !== "null");
    const inner = real.length === 1 ? resolve(real[0]) : { oneOf: real };
    const { oneOf, anyOf, ...beside } = schema;
    return { ...inner, ...beside, nullable: real.length < options.length };
  }
  return schema;
}

function typeOf(schema) {
  const s = resolve(schema);
  const types = [].concat(s.type || (s.properties ? "object" : s.oneOf ? s.oneOf.map((o) => resolve(o).type || "any") : "any"));
  let text = types.filter((t) => t !== "null").join(" | ");
  if (s.enum) text = s.enum.filter((v) => v !== null).map((v) => JSON.stringify(v)).join(" | ");
  if (s.const !== undefined) text = JSON.stringify(s.const);
  if (types.includes("array")) text = `list of ${typeOf(s.items)}`;
  if (s.format) text += ` (${s.format})`;
  const bounds = [];
  if (s.minimum !== undefined) bounds.push(`≥ ${s.minimum}`);
  if (s.maximum !== undefined) bounds.push(`≤ ${s.maximum}`);
  if (s.minLength !== undefined) bounds.push(`length ≥ ${s.minLength}`);
  if (s.maxLength !== undefined) bounds.push(`length ≤ ${s.maxLength}`);
  if (s.pattern) bounds.push(s.pattern);
  if (bounds.length) text += `, ${bounds.join(", ")}`;
  if (s.nullable || types.includes("null")) text += ", or null";
  return text;
}

function example(schema, depth = 0) {
  const s = resolve(schema);
  if (s.examples?.length) return s.examples[0];
  if (s.default !== undefined && s.default !== null) return s.default;
  if (s.const !== undefined) return s.const;
  if (s.enum) return s.enum[0];
  if (s.oneOf) return example(s.oneOf[0], depth + 1);
  const type = [].concat(s.type || (s.properties ? "object" : "string")).find((t) => t !== "null");
  if (type === "object") {
    const result = {};
    if (depth < 5) for (const [name, property] of Object.entries(s.properties || {})) {
      if ((s.required || []).includes(name)) result[name] = example(property, depth + 1);
    }
    return result;
  }
  if (type === "array") return depth < 5 && s.items ? [example(s.items, depth + 1)] : [];
  if (type === "integer" || type === "number") return Math.max(s.minimum ?? 1, 1);
  if (type === "boolean") return false;
  return "";
}

function rows(schema, depth = 0) {
  const s = resolve(schema);
  const inner = [].concat(s.type || []).includes("array") ? resolve(s.items) : s;
  const found = [];
  for (const [name, property] of Object.entries(inner.properties || {})) {
    const p = resolve(property);
    found.push(el("tr", {},
      el("td", { class: `depth-${Math.min(depth, 3)}` },
        el("code", { class: (inner.required || []).includes(name) ? "required" : "" }, name)),
      el("td", {}, el("span", { class: "type" }, typeOf(property)),
        p.description ? el("div", {}, p.description) : null)));
    if (depth < 3) found.push(...rows(p, depth + 1));
  }
  return found;
}

function schemaTable(title, schema) {
  const content = rows(schema);
  return el("section", {}, el("h3", {}, title),
    content.length ? el("table", {}, ...content) : el("code", {}, typeOf(schema)));
}

function credentialsHeaders(operation) {
  const token = $("token").value.trim();
  const wanted = (operation.security || []).some((s) => Object.keys(s).length);
  return token && wanted ? { Authorization: `Bearer ${token}` } : {};
}

const hex = (buffer) => [...new Uint8Array(buffer)].map((b) => b.toString(16).padStart(2, "0")).join("");

async function signature(method, target, body, idempotencyKey) {
  const [kid, secret] = [$("signing-id").value.trim(), $("signing-secret").value.trim()];
  if (!kid || !secret || !crypto.subtle) return {};
  const text = new TextEncoder();
  const t = Math.floor(Date.now() / 1000);
  const nonce = crypto.randomUUID();
  const digest = hex(await crypto.subtle.digest("SHA-256", text.encode(body)));
  const message = ["v1", t, nonce, method, target, digest, idempotencyKey].join("\n");
  const key = await crypto.subtle.importKey("raw", text.encode(secret), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const mac = hex(await crypto.subtle.sign("HMAC", key, text.encode(message)));
  return { "Khata-Request-Signature": `t=${t},n=${nonce},kid=${kid},v1=${mac}` };
}

function tryIt(method, path, operation) {
  const parameters = (operation.parameters || []).map(resolve).filter((p) => p.name !== "Khata-Request-Signature");
  const signed = (operation.parameters || []).some((p) => resolve(p).name === "Khata-Request-Signature");
  const inputs = new Map();
  const fields = el("div", { class: "fields" });
  for (const parameter of parameters) {
    const key = parameter.name.toLowerCase() === "idempotency-key";
    const input = el("input", { spellcheck: "false", autocomplete: "off", placeholder: typeOf(parameter.schema) });
    if (key) input.value = crypto.randomUUID?.() || String(Date.now());
    inputs.set(parameter, input);
    fields.append(el("label", { class: parameter.required ? "required" : "" }, `${parameter.name} (${parameter.in})`, input));
  }
  const json = operation.requestBody?.content?.["application/json"];
  const area = json ? el("textarea", { spellcheck: "false", "aria-label": "Request body" }) : null;
  const given = Object.values(json?.examples || {})[0];
  if (area) area.value = JSON.stringify(given ? given.value : example(json.schema), null, 2);
  const result = el("div", { "aria-live": "polite" });
  const send = el("button", { type: "button", class: "primary", onclick: () => run() }, "Send");

  async function run() {
    let target = path;
    const query = new URLSearchParams();
    const headers = credentialsHeaders(operation);
    for (const [parameter, input] of inputs) {
      if (parameter.in === "path") target = target.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
      else if (input.value && parameter.in === "query") query.append(parameter.name, input.value);
      else if (input.value && parameter.in === "header") headers[parameter.name] = input.value;
    }
    if ([...query].length) target += `?${query}`;
    const body = area ? area.value : "";
    if (area) headers["Content-Type"] = "application/json";
    send.disabled = true;
    try {
      if (signed) {
        const key = Object.entries(headers).find(([name]) => name.toLowerCase() === "idempotency-key");
        Object.assign(headers, await signature(method, target, body, key ? key[1] : ""));
      }
      const began = performance.now();
      const response = await fetch(target, { method, headers, body: area ? body : undefined });
      const text = await response.text();
      let shown = text;
      try { shown = JSON.stringify(JSON.parse(text), null, 2); } catch { /* not JSON: as it is */ }
      result.replaceChildren(
        el("div", { class: "actions" },
          el("span", { class: `status ${response.ok ? "good" : "bad"}` }, `${response.status} ${response.statusText}`),
          el("span", {}, `${Math.round(performance.now() - began)} ms`),
          el("span", {}, `request id ${response.headers.get("x-request-id") || "–"}`)),
        el("pre", {}, shown || "(empty)"));
    } catch (error) {
      result.replaceChildren(el("p", { class: "bad" }, `No answer: ${error.message}`));
    } finally {
      send.disabled = false;
    }
  }
  return el("section", { class: "try" }, el("h3", {}, "Try it"), parameters.length ? fields : null, area,
    el("div", { class: "actions" }, send, area ? "Ctrl+Enter sends" : null), result,
  );
}

function pathNode(path) {
  const parts = path.split(/(\{[^}]+\})/);
  return el("span", { class: "path" }, ...parts.map((part) => (part.startsWith("{") ? el("b", {}, part) : part)));
}

function operationBody(method, path, operation) {
  const body = el("div", { class: "body" });
  const badges = (operation.security || []).flatMap((s) => Object.keys(s));
  body.append(el("div", { class: "badges" }, ...(badges.length ? badges : ["public"]).map((b) => el("span", {}, b))));
  if (operation.description) body.append(el("p", {}, operation.description));
  const parameters = (operation.parameters || []).map(resolve);
  if (parameters.length) {
    body.append(el("section", {}, el("h3", {}, "Parameters"), el("table", {}, ...parameters.map((p) => el("tr", {},
      el("td", {}, el("code", { class: p.required ? "required" : "" }, p.name)),
      el("td", {}, el("span", { class: "type" }, `${p.in}, ${typeOf(p.schema)}`), p.description ? el("div", {}, p.description) : null))))));
  }
  const json = operation.requestBody?.content?.["application/json"];
  if (json) body.append(schemaTable("Request body", json.schema));
  const answers = Object.entries(operation.responses || {});
  for (const [status, response] of answers.filter(([s]) => s.startsWith("2"))) {
    const content = Object.values(resolve(response).content || {})[0];
    if (content?.schema) body.append(schemaTable(`Answer ${status}`, content.schema));
  }
  const problems = answers.filter(([s]) => !s.startsWith("2"));
  if (problems.length) {
    body.append(el("section", {}, el("h3", {}, "Problems"), el("table", {}, ...problems.map(([status, response]) => el("tr", {},
      el("td", {}, el("code", {}, status)), el("td", { class: "type" }, (resolve(response).description || "").replaceAll("`", "")))))));
  }
  const attempt = tryIt(method, path, operation);
  attempt.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) attempt.querySelector("button").click();
  });
  body.append(attempt);
  return body;
}

function draw() {
  $("version").textContent = doc.info.version;
  const groups = new Map();
  for (const [path, item] of Object.entries(doc.paths || {})) {
    for (const method of METHODS.filter((m) => item[m])) {
      const tag = item[method].tags?.[0] || "other";
      groups.set(tag, [...(groups.get(tag) || []), { path, method: method.toUpperCase(), operation: item[method] }]);
    }
  }
  const [index, main] = [$("index"), $("operations")];
  main.replaceChildren(el("p", { class: "intro" }, doc.info.description || ""));
  index.replaceChildren();
  const known = (doc.tags || []).map((tag) => tag.name);
  const order = [...known.filter((tag) => groups.has(tag)), ...[...groups.keys()].filter((tag) => !known.includes(tag)).sort()];
  for (const tag of order) {
    const section = el("section", { class: "tag" }, el("h2", { class: "group" }, tag));
    const links = el("div", { class: "tag" }, el("h2", {}, tag));
    for (const { path, method, operation } of groups.get(tag)) {
      const id = `${method}-${path}`.replace(/[^A-Za-z0-9]+/g, "-");
      const name = operation.summary || operation.operationId || "";
      const details = el("details", { class: "operation", id },
        el("summary", {}, el("span", { class: `method ${method}` }, method), pathNode(path), el("span", { class: "what" }, name)));
      details.addEventListener("toggle", () => {
        if (details.open && details.children.length === 1) details.append(operationBody(method, path, operation));
      });
      details.dataset.text = links.dataset.text = `${method} ${path} ${name} ${tag}`.toLowerCase();
      section.append(details);
      const link = el("a", { href: `#${id}`, title: path }, el("span", { class: `method ${method}` }, method), el("span", {}, name || path));
      link.dataset.text = details.dataset.text;
      links.append(link);
    }
    main.append(section);
    index.append(links);
  }
  openFromAddress();
}

function openFromAddress() {
  const details = location.hash && $(location.hash.slice(1));
  if (!details || details.tagName !== "DETAILS") return;
  details.open = true;
  details.scrollIntoView();
  for (const link of document.querySelectorAll("nav a")) link.classList.toggle("current", link.getAttribute("href") === location.hash);
}

function filter() {
  const words = $("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (node) => words.every((word) => node.dataset.text.includes(word));
  for (const node of document.querySelectorAll("details.operation, nav a")) node.hidden = !fits(node);
  for (const group of document.querySelectorAll(".tag")) group.hidden = ![...group.querySelectorAll("details, a")].some((node) => !node.hidden);
}

async function signIn() {
  const out = $("sign-in-result");
  $("sign-in").disabled = true;
  try {
    const response = await fetch("/api/v1/auth/token", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ client_id: $("client-id").value.trim(), client_secret: $("client-secret").value.trim(), grant_type: "client_credentials" }),
    });
    const answer = await response.json();
    if (response.ok) { $("token").value = answer.access_token; out.textContent = `good for ${Math.round(answer.expires_in / 60)} minutes`; }
    else out.textContent = answer.detail || answer.title;
  } catch (error) {
    out.textContent = `no answer: ${error.message}`;
  } finally {
    $("sign-in").disabled = false;
    showSignedIn();
  }
}

function showSignedIn() {
  $("signed-in").classList.toggle("yes", Boolean($("token").value.trim()));
  $("signed-in").title = $("token").value.trim() ? "a token is set" : "no token yet";
}

$("filter").addEventListener("input", filter);
$("sign-in").addEventListener("click", signIn);
$("token").addEventListener("input", showSignedIn);
$("credentials-button").addEventListener("click", () => {
  const panel = $("credentials");
  panel.hidden = !panel.hidden;
  $("credentials-button").setAttribute("aria-expanded", String(!panel.hidden));
});
$("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !/INPUT|TEXTAREA/.test(document.activeElement.tagName)) { event.preventDefault(); $("filter").focus(); }
});
window.addEventListener("hashchange", openFromAddress);

fetch("/schema/openapi.json")
  .then((response) => { if (!response.ok) throw new Error(`status ${response.status}`); return response.json(); })
  .then((document_) => { doc = document_; draw(); })
  .catch((error) => $("operations").replaceChildren(el("p", { class: "bad" }, `The document cannot be read: ${error.message}`)));
