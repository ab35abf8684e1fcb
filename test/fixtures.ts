import { join } from "node:path";

/** Path of a test vector below `test/vectors`, such as `interop/mst/key_heights.json`. */
export function fixturePath(name: string): string {
	return join(import.meta.dir, "vectors", name);
}
