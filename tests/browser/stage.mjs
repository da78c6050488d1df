// The stage of the browser's scripts: a hub, a Chromium, and on every page what a person would not see: what the
// browser complains of, whom it asks, and what an assistive technology would stumble over.
//
//   MUSTER_BINARY, CHROMIUM: the programs
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import puppeteer from "puppeteer-core";

export const START_MS = 90_000;
const WAIT_MS = 20_000;
const SCHEMES = ["light", "dark"];
const FAILING = ["serious", "critical"];
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What a variable of the environment says; it has to be there. */
export const said = (name) => process.env[name] ?? assert.fail(`the variable ${name} is not set`);

/** The folder of the hub and the browser, the hub's first line, the page that is open. */
export let data, banner, page;
let hub, browser;
const labs = [];
/** What happened since the last look: console errors, requests, answers. */
const seen = { errors: [], requests: [], refused: [] };
/** axe's lesser findings, told at the end. */
const lesser = new Map();
/** The pages that were looked at. */
const looked = new Set();

/** Starts a server of the program; gives its process and what its first line says. */
async function serve(...words) {
  const server = spawn(said("MUSTER_BINARY"), [...words, "--listen", "127.0.0.1:0"], { stdio: ["ignore", "pipe", "pipe"] });
  let told = "";
  server.stderr.on("data", (text) => { told += text; });
  const line = Promise.race([
    once(createInterface({ input: server.stdout }), "line").then(([text]) => text),
    once(server, "exit").then(([code]) => { throw new Error(`muster ${words[0]} ended with ${code}: ${told}`); }),
    once(AbortSignal.timeout(START_MS), "abort").then(() => { throw new Error(`muster ${words[0]} said nothing: ${told}`); }),
  ]);
  return [server, JSON.parse(await line)];
}

/** Ends a server. */
async function end(server) {
  if (server?.exitCode !== null) return;
  server.kill("SIGTERM");
  await once(server, "exit", { signal: AbortSignal.timeout(WAIT_MS) }).catch(() => server.kill("SIGKILL"));
}

/** Starts a simulated source; gives what its first line says. It ends with the hub. */
export async function source(...words) {
  const [server, told] = await serve("lab", ...words);
  labs.push(server);
  return told;
}

/** Starts a hub, by those arguments, in `data`/hub, and a browser. */
export async function start(...words) {
  data = mkdtempSync(join(tmpdir(), "muster-browser-"));
  [hub, banner] = await serve(...words, "--data", join(data, "hub"));
  browser = await puppeteer.launch({
    executablePath: said("CHROMIUM"),
    headless: true,
    userDataDir: join(data, "browser"),
    // The sandbox needs a kernel feature that containers often lack; only our own pages are shown. The rest keeps the
    // browser from asking its maker's servers, which are no page's requests and would not be seen below.
    args: ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--no-first-run",
      "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"],
  });
  page = await browser.newPage();
  await page.setViewport({ width: 1280, height: 800 });
  page.setDefaultTimeout(WAIT_MS);
  watch(page);
}

/** Ends both, and tells what was seen by the way. */
export async function stop() {
  await browser?.close();
  await end(hub);
  for (const lab of labs) await end(lab);
  if (data) rmSync(data, { recursive: true, force: true, maxRetries: 5 });
  for (const [finding, places] of lesser) console.log(`lesser finding: ${finding}: ${[...places].join(", ")}`);
  console.log(`looked at ${looked.size} pages in ${SCHEMES.join(" and ")}: ${[...looked].join(", ")}`);
}

/** Keeps account of all that a page does. A violation of the content security policy is an error of the console. */
function watch(page) {
  page.on("console", (message) => {
    if (["error", "warn"].includes(message.type())) seen.errors.push(`${message.text()} (${message.location().url ?? ""})`);
  });
  page.on("pageerror", (error) => seen.errors.push(String(error)));
  page.on("request", (request) => seen.requests.push(request.url()));
  page.on("requestfailed", (request) => {
    // What a navigation overtakes is given up by the browser.
    const reason = request.failure()?.errorText ?? "";
    if (reason !== "net::ERR_ABORTED") seen.errors.push(`${request.url()} failed: ${reason}`);
  });
  page.on("response", (response) => {
    if (response.status() >= 400) seen.refused.push(`${response.status()} ${new URL(response.url()).pathname}`);
  });
}

/** Nothing but this hub was asked, and nothing went wrong but what is `expected`. */
export function account(place, expected = []) {
  const [errors, requests, refused] = [seen.errors, seen.requests, seen.refused].map((list) => list.splice(0));
  const foreign = requests.filter((url) => !url.startsWith("data:") && new URL(url).origin !== banner.url);
  assert.deepEqual(foreign, [], `${place}: requests to other hosts`);
  assert.deepEqual(refused, expected, `${place}: refused requests`);
  // Chromium tells of each refused request in the console, too.
  const left = errors.filter((text) => !(expected.length && /^Failed to load resource|^Response Status Error Code/.test(text)));
  assert.deepEqual(left, [], `${place}: errors in the console`);
}

/** Waits until htmx has put in place what it fetches. */
export async function settled() {
  await page.waitForFunction(() => document.readyState === "complete"
    && !document.querySelector(".htmx-request,.htmx-swapping,.htmx-settling")
    && ![...document.querySelectorAll("[hx-trigger='load']")].some((part) => part.querySelector(":scope > p > a")));
}

/** Looks at the page that is open: its frame, its accounts, and axe in both colour schemes. */
export async function look(expected = []) {
  await settled();
  const place = new URL(page.url()).pathname.replace(/[0-9a-f]{8}-[0-9a-f-]{27}|\d+$/g, "ID");
  looked.add(place);
  const frame = await page.evaluate(() => ({
    headings: document.querySelectorAll("h1").length,
    language: document.documentElement.lang,
    title: document.title,
  }));
  assert.equal(frame.headings, 1, `${place}: one h1`);
  assert.equal(frame.language, "en", `${place}: lang`);
  assert.match(frame.title, /^\S.* · Muster$/, `${place}: title`);
  for (const scheme of SCHEMES) {
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
    assert(await page.evaluate((scheme) => matchMedia(`(prefers-color-scheme: ${scheme})`).matches, scheme));
    await accessible(`${place} (${scheme})`);
  }
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "light" }]);
  account(place, expected);
}

/** axe finds nothing serious. It is evaluated over the browser's protocol, which the page's policy does not bind. */
async function accessible(place) {
  await page.evaluate(AXE);
  const violations = await page.evaluate(async () => {
    const result = await globalThis.axe.run(document, { resultTypes: ["violations"] });
    return result.violations.map(({ id, impact, help, nodes }) => ({
      id, impact, help, where: nodes.slice(0, 5).map((node) => `${node.target.join(" ")}: ${node.failureSummary}`),
    }));
  });
  for (const { id, impact, help } of violations.filter((found) => !FAILING.includes(found.impact))) {
    const finding = `${id} (${impact}): ${help}`;
    lesser.set(finding, (lesser.get(finding) ?? new Set()).add(place));
  }
  const failing = violations.filter((found) => FAILING.includes(found.impact));
  assert.deepEqual(failing, [], `${place}: accessibility`);
}

export const open = (place) => page.goto(banner.url + place, { waitUntil: "load" });

/** Clicks what leads to another page. */
export async function follow(selector) {
  await page.waitForSelector(selector);
  await Promise.all([page.waitForNavigation({ waitUntil: "load" }), page.click(selector)]);
}

export const text = (selector) => page.$eval(selector, (node) => node.textContent.replace(/\s+/g, " ").trim());
export const texts = (selector) => page.$$eval(selector, (nodes) => nodes.map((node) => node.textContent.replace(/\s+/g, " ").trim()));
export const path = () => new URL(page.url()).pathname;

export async function sign_in(password) {
  await page.$eval("#username", (field) => { field.value = ""; });
  await page.type("#username", banner.username);
  await page.type("#password", password);
  await follow("main form button.primary");
}

/** Waits until the run whose page is open has ended; the page follows it by itself. */
export const ended = () => page.waitForFunction(() => document.querySelector("#live") && !document.querySelector("#live[hx-trigger]"));

/** How many a list says it has found. */
export const found = () => page.$eval(".summary strong", (node) => Number(node.textContent.replace(/\D/g, "")));

/** Asks the list that is open, and waits for the answer. */
export async function search(query) {
  await page.$eval("#q", (field) => { field.value = ""; });
  await page.type("#q", query);
  await page.keyboard.press("Enter");
  await page.waitForFunction((query) => new URLSearchParams(location.search).get("q") === query, {}, query);
  await settled();
}
