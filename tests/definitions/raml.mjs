// RAML as MuleSoft's own parser sees it, and what of it is held against Muster's reading: not only the endpoints.
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { unzipped, zipped } from "./archives.mjs";

const HERE = import.meta.dirname;
const OURS = join(HERE, "raml");
const SHARED = process.env.MUSTER_SHARED ?? join(HERE, "../../../shared");
const PACKAGES = join(SHARED, "labs/mulesoft/packages");

/** Our own examples, and real packages where they are: `{ name, file, root }`, what Muster reads and what the other does. */
export function packages(folder) {
  const found = readdirSync(OURS).map((name) => {
    const file = join(folder, `${name}.zip`);
    mkdirSync(folder, { recursive: true });
    writeFileSync(file, zipped(join(OURS, name)));
    return { name: `tests/definitions/raml/${name}`, file, root: join(OURS, name, "api.raml") };
  });
  if (!existsSync(PACKAGES)) {
    console.error(`SKIPPED: no real packages in ${PACKAGES}; set MUSTER_SHARED`);
    return found;
  }
  for (const name of readdirSync(PACKAGES).filter((name) => name.endsWith("-fat-raml.zip"))) {
    const to = join(folder, "packages", name.replace(".zip", ""));
    const files = unzipped(readFileSync(join(PACKAGES, name)));
    for (const [path, bytes] of files) {
      mkdirSync(dirname(join(to, path)), { recursive: true });
      writeFileSync(join(to, path), bytes);
    }
    const { main } = JSON.parse(readFileSync(join(to, "exchange.json"), "utf8"));
    found.push({ name, file: join(PACKAGES, name), root: join(to, main) });
  }
  return found;
}

/** Lines that say what an API offers, as the other parser sees it. */
export async function byParser(file) {
  const { default: amf } = await import("amf-client-js");
  const is08 = readFileSync(file, "utf8").startsWith("#%RAML 0.8");
  const client = (is08 ? amf.RAMLConfiguration.RAML08() : amf.RAMLConfiguration.RAML10()).baseUnitClient();
  const { baseUnit } = await client.parse(`file://${file}`);
  const api = client.transform(baseUnit, amf.PipelineId.Editing).baseUnit.encodes;
  const found = new Set();
  const value = (field) => field?.value?.();
  for (const endpoint of api.endPoints) {
    for (const operation of endpoint.operations) {
      const name = `${value(operation.method).toUpperCase()} ${value(endpoint.path)}`;
      const add = (words) => found.add(words ? `${name}: ${words}` : name);
      const parameters = (all, where) =>
        (all ?? []).forEach((one) => add(`${where} ${value(one.name)}, ${value(one.required) ? "required" : "optional"}`));
      add();
      parameters(operation.request?.queryParameters, "query");
      parameters(operation.request?.headers, "header");
      (operation.request?.payloads ?? []).forEach((one) => add(`takes ${value(one.mediaType)}`));
      for (const response of operation.responses) {
        add(`code ${value(response.statusCode)}`);
        response.payloads.forEach((one) => add(`gives ${value(one.mediaType)}`));
      }
      for (const way of operation.security) {
        const schemes = way.schemes.filter((scheme) => value(scheme.name) !== "null");
        const scopes = (scheme) => (scheme.settings?.flows ?? []).flatMap((flow) => flow.scopes.map((scope) => value(scope.name)));
        add(`security ${schemes.map((scheme) => `${value(scheme.name)}(${scopes(scheme)})`)}`);
      }
    }
  }
  return found;
}

/** The same lines of Muster's reading, as JSON. */
export function ofReading(reading) {
  const found = new Set();
  for (const endpoint of reading.endpoints) {
    const name = `${endpoint.method} ${endpoint.path}`;
    found.add(name);
    const add = (words) => found.add(`${name}: ${words}`);
    // Parameters of the path stand in it; form fields are a body to the other parser.
    const listed = endpoint.parameters.filter((one) => one.in === "query" || one.in === "header");
    listed.forEach((one) => add(`${one.in} ${one.name}, ${one.required ? "required" : "optional"}`));
    endpoint.requestMediaTypes.forEach((one) => add(`takes ${one}`));
    endpoint.responses.forEach((one) => add(`code ${one}`));
    endpoint.responseMediaTypes.forEach((one) => add(`gives ${one}`));
    endpoint.security.forEach((way) => add(`security ${way.map((part) => `${part.scheme}(${part.scopes})`)}`));
  }
  return found;
}
