import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SECRET_FILE_BYTES_MAX } from "../../src/config/secret-file.ts";
import { ConfigError, loadConfig, secretsOf } from "../../src/config/settings.ts";
import { Rng } from "../../src/sim/rng.ts";

const CASES = 300;
const directory = mkdtempSync(join(tmpdir(), "standpipe-secrets-"));
const credentials = join(directory, "credentials");
mkdirSync(credentials);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** The secret settings, each with a text that it accepts, what it parses to, and a text that it does not accept. */
const SECRETS = [
	{
		variable: "RELAY_ADMIN_PASSWORD",
		name: "adminPasswords",
		text: "sesame",
		value: ["sesame"],
		bad: "x\n".repeat(101),
	},
	{
		variable: "DATABASE_URL",
		name: "databaseUrl",
		text: "postgres://relay:sesame@db/relay",
		value: "postgres://relay:sesame@db/relay",
		bad: "postgres://relay:sesame@db",
	},
] as const;

let files = 0;

function fileOf(text: string | Uint8Array): string {
	const path = join(directory, `secret-${files++}`);
	writeFileSync(path, text);
	return path;
}

const load = (env: Record<string, string>, args: string[] = []) => loadConfig(args, env, { cores: 1 }).config;

function faultsOf(env: Record<string, string>, args: string[] = []): readonly string[] {
	try {
		load(env, args);
	} catch (error) {
		if (error instanceof ConfigError) return error.faults;
		throw error;
	}
	return [];
}

describe.each(SECRETS)("$variable", ({ variable, name, text, value, bad }) => {
	const file = `${variable}_FILE`;
	const flag = `--${file.replace("RELAY_", "").toLowerCase().replaceAll("_", "-")}`;

	test("may be in a file, with a newline at its end or none", () => {
		for (const end of ["", "\n", "\r\n"]) {
			expect(load({ [file]: fileOf(text + end) })[name]).toEqual(value);
			expect(load({}, [flag, fileOf(text + end)])[name]).toEqual(value);
		}
	});

	test("may be a credential of systemd, if nothing else says what it is", () => {
		writeFileSync(join(credentials, variable), `${text}\n`);
		const env = { CREDENTIALS_DIRECTORY: credentials };
		expect(load(env)[name]).toEqual(value);
		expect(load({ ...env, [file]: fileOf(text) })[name]).toEqual(value);
		writeFileSync(join(credentials, variable), bad);
		expect(load({ ...env, [variable]: text })[name]).toEqual(value);
		expect(faultsOf(env)[0]).toStartWith(`credential ${variable}: what the file has is not valid; expected `);
		rmSync(join(credentials, variable));
		expect(load(env)[name]).toEqual(load({})[name]);
	});

	test("may not be given both ways at once, but a flag goes before variables", () => {
		expect(faultsOf({ [file]: fileOf(text), [variable]: text })).toEqual([
			`${variable} and ${file} are both given: leave one of them out, since only one can count`,
		]);
		expect(load({ [variable]: bad }, [flag, fileOf(text)])[name]).toEqual(value);
	});

	test.each([
		["does not exist", () => join(directory, "none"), "does not exist"],
		["is a folder", () => directory, "is a folder, not a file"],
		["is empty", () => fileOf(""), "is empty"],
		["has only newlines", () => fileOf("\n\r\n"), "is empty"],
		[
			"is too long",
			() => fileOf("x".repeat(SECRET_FILE_BYTES_MAX + 1)),
			`has more than ${SECRET_FILE_BYTES_MAX} bytes`,
		],
		["never ends", () => "/dev/zero", `has more than ${SECRET_FILE_BYTES_MAX} bytes`],
		["is no text", () => fileOf(Uint8Array.of(0x61, 0xff)), "is not text in UTF-8"],
		["has a NUL", () => fileOf("a\0b"), "has a NUL character"],
		[
			"is a circle of links",
			() => {
				const path = join(directory, `circle-${files++}`);
				symlinkSync(path, path);
				return path;
			},
			"is a circle of symbolic links",
		],
		["has something else", () => fileOf(bad), "what the file has is not valid; expected "],
	])("a file that %s is refused", (_what, pathOf, fault) => {
		const path = pathOf();
		for (const [given, by] of [
			[{ env: { [file]: path }, args: [] }, file],
			[{ env: {}, args: [flag, path] }, flag],
		] as const) {
			const faults = faultsOf(given.env, [...given.args]);
			expect(faults).toHaveLength(1);
			expect(faults[0]).toStartWith(`${by}: `);
			expect(faults[0]).toContain(fault);
			expect(faults[0]).not.toContain(path);
			expect(faults[0]).not.toContain("sesame");
		}
	});

	const isRoot = process.getuid?.() === 0;
	test.skipIf(isRoot)(`a file that may not be read is refused${isRoot ? " (skipped: root may read all)" : ""}`, () => {
		const path = fileOf(text);
		chmodSync(path, 0o000);
		expect(faultsOf({ [file]: path })).toEqual([
			`${file}: the file may not be read by this process: permission denied`,
		]);
	});
});

function anyPassword(rng: Rng): string {
	const characters = Array.from("a,é #\"'=:\t\u{1f6b0}");
	return Array.from({ length: 1 + rng.int(12) }, () => rng.pick(characters)).join("");
}

test("passwords stand one a line, each with whatever characters, and empty lines don't count", () => {
	const rng = new Rng("password files");
	for (let at = 0; at < CASES; at++) {
		const all = Array.from({ length: 1 + rng.int(5) }, () => anyPassword(rng));
		const lines = all.flatMap((one) => (rng.int(3) === 0 ? ["", one] : [one]));
		const text = lines.join(rng.pick(["\n", "\r\n"])) + rng.pick(["", "\n", "\n\n"]);
		if (text.trim() === "") continue;
		const config = load({ RELAY_ADMIN_PASSWORD_FILE: fileOf(text) });
		expect(config.adminPasswords).toEqual(all);
		expect(secretsOf(config)).toEqual(all);
	}
});
