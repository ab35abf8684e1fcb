import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BackupError } from "../../src/backup/backup-error.ts";
import { readManifest, writeManifest } from "../../src/backup/manifest.ts";
import { Rng } from "../../src/sim/rng.ts";
import { manifestOf } from "./manifests.ts";

const folder = mkdtempSync(join(tmpdir(), "standpipe-manifest-"));
const path = join(folder, "manifest.json");
afterAll(() => rmSync(folder, { recursive: true }));

test("a manifest is read as it was written", () => {
	expect(() => readManifest(folder)).toThrow("does not exist");
	writeManifest(folder, manifestOf());
	expect(readdirSync(folder)).toEqual(["manifest.json"]);
	expect(readManifest(folder)).toEqual(manifestOf());
});

test("a manifest in which anything was changed is refused", () => {
	const text = readFileSync(path, "utf8");
	const rng = new Rng("changed manifests");
	for (let round = 0; round < 500; round++) {
		const at = rng.int(text.length);
		const char = rng.pick([...'0123456789abc."{}/']);
		const changed = `${text.slice(0, at)}${char}${text.slice(at + rng.int(2))}`;
		writeFileSync(path, changed);
		const isSame = same(changed, text);
		if (isSame) expect(readManifest(folder)).toEqual(manifestOf());
		else expect(() => readManifest(folder)).toThrow(BackupError);
	}
	writeFileSync(path, text);
});

test("a manifest of another format, or that names files elsewhere, is refused", () => {
	const sound = readFileSync(path, "utf8");
	writeFileSync(path, sound.replace('"format": 1', '"format": 2'));
	expect(() => readManifest(folder)).toThrow("is of format 2");
	for (const name of ["../../etc/passwd", "last-used", `/${"1".repeat(39)}x.seg`]) {
		rmSync(path);
		writeManifest(folder, manifestOf({ segments: [{ name, bytes: 1, sha256: "0".repeat(64) }] }));
		expect(() => readManifest(folder)).toThrow(BackupError);
	}
});

/** Whether two texts are the same JSON. */
function same(one: string, other: string): boolean {
	try {
		return Bun.deepEquals(JSON.parse(one), JSON.parse(other));
	} catch {
		return false;
	}
}
