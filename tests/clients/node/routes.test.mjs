// The list of routes is complete for this SDK.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const file = (name) => fileURLToPath(new URL(`../../routes/${name}`, import.meta.url));

test("every route is listed", () => {
  const found = execFileSync("python3", [file("sdk.py"), `${process.env.NODE_MODULES}/openai`], { encoding: "utf8" });
  const listed = readFileSync(file("openai.txt"), "utf8").split("\n");
  const [version, ...routes] = found.trimEnd().split("\n");
  const missing = routes.filter((route) => !listed.includes(route));
  assert.ok(missing.length === 0, [`${version}: routes missing in tests/routes/openai.txt`, ...missing].join("\n"));
});
