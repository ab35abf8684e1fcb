import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";

const ROOT = resolve(import.meta.dir, "..", "..");
const read = (path: string): Promise<string> => Bun.file(join(ROOT, path)).text();
const [dockerfile, ignore, crates, manifest] = await Promise.all(
	["Dockerfile", ".dockerignore", "native/Cargo.toml", "package.json"].map(read),
);
const { engines } = JSON.parse(manifest ?? "") as { engines: { bun: string } };
/** The tag of each base image, by its name. */
const tags = new Map(
	[...(dockerfile ?? "").matchAll(/^FROM (\S+):(\S+)/gm)].map(([, name = "", tag = ""]) => [name, tag]),
);

describe("the Dockerfile", () => {
	test("pins each base image by a version", () => {
		expect([...tags.keys()].sort()).toEqual(["debian", "oven/bun", "rust"]);
		for (const [name, tag] of tags)
			expect([name, tag]).toEqual([name, expect.stringMatching(/^\d+(\.\d+)*(-[a-z]+)*$/)]);
	});

	test("builds with the Bun of package.json, and with a Rust that the crates accept", () => {
		expect(tags.get("oven/bun")).toBe(`${engines.bun}-slim`);
		const least = /^rust-version = "(.+)"$/m.exec(crates ?? "")?.[1] ?? "";
		expect(Bun.semver.satisfies(tags.get("rust")?.split("-")[0] ?? "", `>=${least}.0`)).toBe(true);
	});

	test("builds the engine for the Debian that it runs on: another one's glibc may be newer", () => {
		expect(tags.get("rust")).toEndWith("-bookworm");
		expect(tags.get("debian")).toMatch(/^12\b/);
	});

	test("copies what is there, and what .dockerignore lets through", () => {
		const copied = [...(dockerfile ?? "").matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, from = ""]) =>
			from.split(" "),
		);
		expect(copied.length).toBeGreaterThan(5);
		const allowed = (ignore ?? "").split("\n").flatMap((line) => (line.startsWith("!") ? [line.slice(1)] : []));
		for (const path of copied) {
			expect([path, existsSync(join(ROOT, path))]).toEqual([path, true]);
			expect([path, allowed.some((one) => path === one || path.startsWith(`${one}/`))]).toEqual([path, true]);
		}
	});
});
