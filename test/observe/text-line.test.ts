import { describe, expect, test } from "bun:test";
import type { LogRecord } from "@logtape/logtape";
import { formatLine, formatterOf } from "../../src/observe/log.ts";
import { Rng } from "../../src/sim/rng.ts";
import { anyText } from "../sim/any-text.ts";

const CASES = 500;
const ESCAPE = "\u001b";

function recordOf(changes: Partial<LogRecord> = {}): LogRecord {
	return {
		timestamp: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
		level: "warning",
		category: ["standpipe", "hosts"],
		rawMessage: "{host} is offline",
		message: ["", "pds.example.com", " is offline"],
		properties: { host: "pds.example.com", fault: "connection refused", attempts: 3 },
		...changes,
	};
}

describe("a line for people", () => {
	test("has the sentence, and then the values that it does not show", () => {
		expect(formatterOf("text", false, {})(recordOf())).toBe(
			'03:04:05.678 warn  hosts    pds.example.com is offline fault="connection refused" attempts=3',
		);
		expect(formatterOf("text", true, {})(recordOf({ properties: {} }))).toBe(
			`${ESCAPE}[2m03:04:05.678${ESCAPE}[0m ${ESCAPE}[33mwarn ${ESCAPE}[0m hosts    pds.example.com is offline`,
		);
	});

	test("is one line that moves no terminal's cursor, whatever its values are", () => {
		const rng = new Rng("text lines");
		for (let at = 0; at < CASES; at++) {
			const text = anyText(rng);
			const line = formatterOf(
				"text",
				false,
				{},
			)(
				recordOf({
					message: ["", text, rng.pick([" is offline", text])],
					properties: { [text]: rng.pick([text, [text], { inner: text }]) },
				}),
			);
			expect(line).not.toMatch(/[\p{Cc}\p{Cf}\u2028\u2029]/u);
			expect(line.isWellFormed()).toBe(true);
		}
	});
});

test("the format follows the setting and the terminal, and NO_COLOR turns colours off", () => {
	const rng = new Rng("log formats");
	const seen = new Set<string>();
	for (let at = 0; at < CASES; at++) {
		const format = rng.pick(["auto", "json", "text"] as const);
		const isTerminal = rng.int(2) === 0;
		const env = rng.pick([
			{},
			{ NO_COLOR: "" },
			{ NO_COLOR: "1" },
			{ NO_COLOR: "0" },
			{ TERM: "dumb" },
			{ TERM: "xterm" },
		]);
		const line = formatterOf(format, isTerminal, env)(recordOf());
		const isJson = format === "json" || (format === "auto" && !isTerminal);
		const isColored = !isJson && isTerminal && !("NO_COLOR" in env && env.NO_COLOR !== "") && env.TERM !== "dumb";
		expect(line === formatLine(recordOf())).toBe(isJson);
		expect(line.includes(ESCAPE)).toBe(isColored);
		seen.add(`${isJson} ${isColored}`);
	}
	expect(seen.size).toBe(3);
});
