import { describe } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";

const FIXTURES = join(import.meta.dir, "..", "..", "shared", "fixtures");
const PRESENT = existsSync(FIXTURES);

/** Path of a shared test vector, such as `interop/mst/key_heights.json`. */
export function fixturePath(name: string): string {
	return join(FIXTURES, name);
}

/** `describe`, but visibly skipped where the shared vectors are absent, as in a clone of the project alone. */
export const describeWithFixtures = PRESENT
	? describe
	: (name: string, body: () => void): void => describe.skip(`${name} (skipped: shared fixtures are absent)`, body);
