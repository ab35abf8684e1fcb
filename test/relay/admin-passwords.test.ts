import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig } from "../../src/config/settings.ts";
import { adminPasswordsOf } from "../../src/relay/admin-passwords.ts";
import { StartError } from "../../src/runtime/start-error.ts";

const directory = mkdtempSync(join(tmpdir(), "standpipe-passwords-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** The passwords of a file with this text, and of the setting; or of a path. */
function passwordsOf(file: { text: string } | { path: string }, setting = ""): Promise<readonly string[]> {
	const path = "path" in file ? file.path : join(directory, "passwords");
	if ("text" in file) writeFileSync(path, file.text);
	const env = { RELAY_ADMIN_PASSWORD: setting, RELAY_ADMIN_PASSWORD_FILE: path };
	return adminPasswordsOf(loadConfig([], env, { cores: 1 }).config);
}

describe("the file of the admin API's passwords", () => {
	test.each([
		["one\n", ["one"]],
		["one", ["one"]],
		["one\r\ntwo, with a comma\n\n three \n", ["one", "two, with a comma", " three "]],
	])("%j has %p", async (text, expected) => {
		expect(await passwordsOf({ text })).toEqual(expected);
		expect(await passwordsOf({ text }, "a,b")).toEqual(["a", "b", ...expected]);
	});

	test.each([
		["is empty", { text: "" }, "has no password"],
		["has empty lines only", { text: "\n\r\n" }, "has no password"],
		["has too many passwords", { text: "x\n".repeat(101) }, "has more than 100 passwords"],
		["is too long", { text: "x".repeat(100_001) }, "has more than 100000 bytes"],
		["does not exist", { path: join(directory, "none") }, "does not exist"],
		["is a folder", { path: directory }, "is a folder, not a file"],
	])("that %s ends the start", async (_name, file, fault) => {
		const failed = passwordsOf(file, "a");
		expect(failed).rejects.toBeInstanceOf(StartError);
		await failed.catch(({ message }: Error) => {
			expect(message).toStartWith("RELAY_ADMIN_PASSWORD_FILE (--admin-password-file): ");
			expect(message).toEndWith(fault);
		});
	});
});
