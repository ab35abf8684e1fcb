import { afterEach, describe, expect, test } from "bun:test";
import type { LogRecord } from "@logtape/logtape";
import { formatLine, formatterOf } from "../../src/observe/log.ts";
import { messageOf, STRING_CHARS_MAX } from "../../src/observe/log-value.ts";
import { hideMoreSecrets, hideSecrets, MASK, masked, SECRET_CHARS_MIN } from "../../src/observe/masking.ts";
import { Rng } from "../../src/sim/rng.ts";
import { anyText } from "../sim/any-text.ts";

const CASES = 400;

afterEach(() => hideSecrets([]));

/** Any secret of more than a few characters. It has two that no other text here has, so that a part of it can be looked for. */
export function anySecret(rng: Rng): string {
	const odd = Array.from("aZ9 %/#?@:&=+\\\"'<>`{}|^~!$*()[],;é\u{1f6b0}\n\t$1.^");
	return `q${Array.from({ length: SECRET_CHARS_MIN + rng.int(40) }, () => rng.pick(odd)).join("")}Q`;
}

/** How programs show a secret. */
const SHOWN: readonly ((secret: string) => string)[] = [
	(secret) => secret,
	(secret) => encodeURIComponent(secret),
	(secret) => new URL(`https://u:${encodeURIComponent(secret)}@host/`).password,
	(secret) => JSON.stringify({ secret }),
	(secret) => `Authorization: Basic ${btoa(unescape(encodeURIComponent(`admin:${secret}`)))}`,
	(secret) => Buffer.from(`admin:${secret}`).toString("base64"),
	(secret) => `${secret}${secret}`,
	(secret) => encodeURI(secret),
];

function lineOf(properties: Record<string, unknown>, message: unknown[]): LogRecord {
	const rawMessage = "said {value}";
	return { timestamp: 0, level: "error", category: ["standpipe", "test"], message, rawMessage, properties };
}

/** The forms of a secret that a text may not have. */
function formsOf(secret: string): string[] {
	const base64 = Buffer.from(`admin:${secret}`).toString("base64").slice(8).replace(/=+$/, "");
	return [secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1), base64];
}

describe("masked", () => {
	test("shows no secret, in whatever form and place it stands", () => {
		const rng = new Rng("secrets");
		for (let at = 0; at < CASES; at++) {
			const all = Array.from({ length: 1 + rng.int(4) }, () => anySecret(rng));
			hideSecrets([...all, ""]);
			for (const secret of all) {
				const text = `${anyText(rng)} ${rng.pick(SHOWN)(secret)} ${anyText(rng)}`;
				for (const form of formsOf(secret)) expect(masked(text)).not.toContain(form);
				expect(masked(text)).toContain(MASK);
			}
		}
	});

	test("shows no part of a secret at the end of a text that is cut", () => {
		const rng = new Rng("cut secrets");
		for (let at = 0; at < CASES; at++) {
			const secret = `${anySecret(rng)}${rng.text(rng.int(800), "0123456789")}`;
			hideSecrets([secret]);
			const before = rng.int(2 * STRING_CHARS_MAX);
			const text = `${"-".repeat(before)}${rng.pick([secret, secret.repeat(20)])}${"-".repeat(rng.int(5_000))}`;
			expect(messageOf(text)).not.toContain(secret.slice(0, 4));
			expect(messageOf(text).length).toBeLessThanOrEqual(STRING_CHARS_MAX + 1);
		}
	});

	test("hides the credentials of any URL and of HTTP, also of those that are in no setting", () => {
		for (const text of [
			"postgres://relay:hunter2@db/relay",
			"can't connect to postgresql://hunter2@db:5432/relay?sslmode=require",
			"slack+https://a:hunter2@hooks.example.com",
			"Authorization: Basic aHVudGVyMmh1bnRlcjI=",
			"authorization Bearer hunter2.hunter2",
		]) {
			expect(masked(text)).not.toMatch(/hunter2|aHVudGVy/);
			expect(masked(text)).toContain(MASK);
		}
		for (const text of ["https://pds.example.com/a@b", "mail me: a@b.example", "Basic settings"])
			expect(masked(text)).toBe(text);
	});

	test("hides more secrets beside those that were given before", () => {
		const rng = new Rng("more secrets");
		for (let at = 0; at < CASES; at++) {
			const all = Array.from({ length: 3 }, () => anySecret(rng));
			hideSecrets([all[0] ?? ""]);
			for (const secret of all.slice(1)) hideMoreSecrets([secret]);
			for (const secret of all) expect(masked(`it is ${secret}`)).not.toContain(secret);
		}
	});

	test("leaves all else as it is", () => {
		const rng = new Rng("no secrets");
		hideSecrets(["not-in-there"]);
		for (let at = 0; at < CASES; at++) {
			const text = anyText(rng);
			expect(masked(text)).toBe(text);
		}
	});
});

describe("a log line", () => {
	test("shows no secret, in its words, values, names, errors or stacks, in any format", () => {
		const rng = new Rng("secrets in lines");
		for (let at = 0; at < CASES; at++) {
			const secret = anySecret(rng);
			hideSecrets([secret]);
			const text = `${rng.text(rng.int(600), "ab ")}${rng.pick(SHOWN)(secret)}`;
			const value = rng.pick<() => unknown>([
				() => text,
				() => [text],
				() => ({ inner: { text } }),
				() => ({ [text]: 1 }),
				() => new Map([[text, text]]),
				() => new Error("failed", { cause: new Error(text) }),
				() => new Error(text).stack?.split("\n"),
			])();
			const record = lineOf({ value, [text]: value }, [`said ${text} `, value, text]);
			for (const line of [formatLine(record), formatterOf("text", true, {})(record)])
				for (const form of formsOf(secret)) expect(line).not.toContain(form);
		}
	});
});
