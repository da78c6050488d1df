// The console's own script: completion in the query field, certificates from files, words for what htmx does.
"use strict";

const say = (text) => {
  const place = document.getElementById("say");
  if (place) place.textContent = text;
};

// --- completion -----------------------------------------------------------------------------------------------------

// A list of tokens below the field, by the pattern of an editable combobox with list autocomplete.
const complete = (box) => {
  const field = box.querySelector("input");
  const tokens = box.dataset.tokens.split("\n").map((line) => {
    const at = line.indexOf(" ");
    return { token: line.slice(0, at), holds: line.slice(at + 1) };
  });
  const list = document.createElement("ul");
  list.id = field.id + "-tokens";
  list.className = "tokens";
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Tokens");
  list.hidden = true;
  box.append(list);
  field.setAttribute("role", "combobox");
  field.setAttribute("aria-autocomplete", "list");
  field.setAttribute("aria-controls", list.id);
  field.setAttribute("aria-expanded", "false");
  let chosen = -1;

  // The word that is being written: what follows the last blank or bracket, unless a value has begun.
  const word = () => {
    const before = field.value.slice(0, field.selectionStart);
    const found = /[A-Za-z][A-Za-z.]*$/.exec(before);
    if (!found || /[:=<>"'`]\s*$/.test(before.slice(0, found.index))) return null;
    return { start: found.index, text: found[0].toLowerCase() };
  };
  const close = () => {
    list.hidden = true;
    chosen = -1;
    field.setAttribute("aria-expanded", "false");
    field.removeAttribute("aria-activedescendant");
  };
  const take = (token) => {
    const at = word();
    if (!at) return close();
    const end = field.selectionStart;
    const tail = field.value.slice(end).replace(/^[A-Za-z.]*:?/, "");
    field.value = field.value.slice(0, at.start) + token + ":" + tail;
    const caret = at.start + token.length + 1;
    field.setSelectionRange(caret, caret);
    close();
  };
  const mark = (index) => {
    const options = [...list.children];
    chosen = (index + options.length) % options.length;
    options.forEach((option, at) => option.setAttribute("aria-selected", String(at === chosen)));
    field.setAttribute("aria-activedescendant", options[chosen].id);
    options[chosen].scrollIntoView({ block: "nearest" });
  };
  const open = () => {
    const at = word();
    const found = at ? tokens.filter((one) => one.token.toLowerCase().includes(at.text)).slice(0, 8) : [];
    if (!found.length) return close();
    list.replaceChildren(...found.map((one, index) => {
      const option = document.createElement("li");
      option.id = list.id + "-" + index;
      option.setAttribute("role", "option");
      const name = document.createElement("code");
      name.textContent = one.token;
      const holds = document.createElement("span");
      holds.className = "muted";
      holds.textContent = one.holds;
      option.append(name, " ", holds);
      option.addEventListener("mousedown", (event) => { event.preventDefault(); take(one.token); });
      return option;
    }));
    chosen = -1;
    list.hidden = false;
    field.setAttribute("aria-expanded", "true");
  };
  field.addEventListener("input", open);
  field.addEventListener("blur", close);
  field.addEventListener("keydown", (event) => {
    if (list.hidden) return;
    if (event.key === "ArrowDown") mark(chosen + 1);
    else if (event.key === "ArrowUp") mark(chosen < 0 ? -1 : chosen - 1);
    else if (event.key === "Escape") close();
    else if ((event.key === "Enter" || event.key === "Tab") && chosen >= 0) take(list.children[chosen].querySelector("code").textContent);
    else return;
    event.preventDefault();
  });
};

// --- certificates ---------------------------------------------------------------------------------------------------

// A file beside a text field: PEM goes in as it is, DER as PEM.
const certificate = (input) => {
  const field = document.getElementById(input.dataset.fills);
  input.closest("[hidden]")?.removeAttribute("hidden");
  input.addEventListener("change", async () => {
    const file = input.files[0];
    if (!file) return;
    if (file.size > 262144) return say("The file is too large for a certificate.");
    const bytes = new Uint8Array(await file.arrayBuffer());
    const text = new TextDecoder().decode(bytes);
    if (text.includes("-----BEGIN ")) field.value = text;
    else {
      const base64 = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
      field.value = "-----BEGIN CERTIFICATE-----\n" + base64.replace(/(.{64})/g, "$1\n").trim() + "\n-----END CERTIFICATE-----\n";
    }
    say("The certificate of " + file.name + " was read.");
  });
};

// --- parts of a form that follow a choice -----------------------------------------------------------------------------

// Groups of fields marked data-when="name=value value" show while the field of that name has one of the values.
const follow = (form) => {
  const groups = [...form.querySelectorAll("[data-when]")];
  if (!groups.length) return;
  const update = () => groups.forEach((group) => {
    const wanted = group.dataset.when.split("=");
    const value = new FormData(form).get(wanted[0]) || "";
    const shows = wanted[1].split(" ").includes(value);
    group.hidden = !shows;
    group.querySelectorAll("input,select,textarea").forEach((field) => { field.disabled = !shows; });
  });
  form.addEventListener("change", update);
  update();
};

const begin = (root) => {
  const all = (selector) => [...(root.matches?.(selector) ? [root] : []), ...root.querySelectorAll(selector)];
  const once = (mark) => (node) => !node.dataset[mark] && (node.dataset[mark] = "1");
  all(".complete[data-tokens]").filter(once("ready")).forEach(complete);
  all("input[type=file][data-fills]").filter(once("ready")).forEach(certificate);
  all("form").filter(once("ready")).forEach(follow);
  all(".query[data-column]").forEach((place) => {
    const field = document.getElementById("q");
    const at = Number(place.dataset.column) - 1;
    const units = [...field.value].slice(0, at).join("").length;
    field.focus();
    field.setSelectionRange(units, units + 1);
  });
};

document.addEventListener("DOMContentLoaded", () => {
  document.documentElement.dataset.scripts = "on";
  begin(document);
  document.body.addEventListener("htmx:load", (event) => begin(event.detail.elt));
  document.body.addEventListener("htmx:afterSwap", (event) => {
    const words = event.detail.target.querySelector(".summary p");
    if (words) say(words.textContent.trim());
  });
  document.body.addEventListener("htmx:responseError", () => say("That did not work; load the page again."));
  document.body.addEventListener("htmx:sendError", () => say("The hub does not answer."));
});
