import { describe, expect, test } from "bun:test";
import { formatLine } from "../../src/observe/log.ts";
import { LINE_CHARS_MAX, messageOf, STRING_CHARS_MAX } from "../../src/observe/log-value.ts";
import { Rng } from "../../src/sim/rng.ts";
import { anyText } from "../sim/any-text.ts";

const CASES = 300;
/** Two values at their limit, each with the most that escaping and structure add: `\u0000` is six characters for one. */
const LINE_LENGTH_MAX = 2 * 8 * LINE_CHARS_MAX;

function lineOf(properties: Record<string, unknown>, message: unknown[] = ["said"]) {
	const text = formatLine({
		timestamp: 0,
		level: "info",
		category: ["standpipe", "test"],
		message,
		rawMessage: "said",
		properties,
	});
	expect(text).not.toContain("\n");
	return { text, line: JSON.parse(text) as Record<string, unknown> };
}

/** Whether all texts in a JSON value are well-formed, keys included. */
function isWellFormed(value: unknown): boolean {
	if (typeof value === "string") return value.isWellFormed();
	if (typeof value !== "object" || value === null) return true;
	return Object.entries(value).every(([key, inner]) => key.isWellFormed() && isWellFormed(inner));
}

/** Any value at all, in most cases one that JSON can't hold. */
function anyValue(rng: Rng, depth = 0): unknown {
	const kinds = ["text", "huge", "bigint", "number", "bytes", "error", "date", "symbol", "function", "empty"] as const;
	const nested = ["array", "object", "map", "set", "circle", "thrower", "proxy", "toJson"] as const;
	switch (rng.pick<string>(depth < 4 && rng.int(2) === 0 ? nested : kinds)) {
		case "text":
			return rng.text(rng.int(20), 'ab"\\\n\u0000\ud800é{}');
		case "huge":
			return rng.text(1, "xé\u0000").repeat(20_000);
		case "bigint":
			return BigInt(rng.uint32()) ** BigInt(rng.int(40));
		case "number":
			return rng.pick([0, -0, Number.NaN, Number.POSITIVE_INFINITY, 1e300, rng.float()]);
		case "bytes":
			return rng.bytes(rng.int(300));
		case "error":
			return new Error(rng.text(rng.int(30), "abc "), { cause: depth < 5 ? anyValue(rng, depth + 1) : null });
		case "date":
			return new Date(rng.pick([0, Number.NaN]));
		case "symbol":
			return Symbol("s");
		case "function":
			return () => 1;
		case "empty":
			return [null, undefined, Object.create(null), {}, []][rng.int(5)];
		case "array":
			return Array.from({ length: rng.pick([1, 3, 40]) }, () => anyValue(rng, depth + 3));
		case "object":
			return Object.fromEntries(
				Array.from({ length: rng.pick([1, 3, 40]) }, (_, at) => [`key${at}`, anyValue(rng, depth + 3)]),
			);
		case "map":
			return new Map([[anyValue(rng, 5), anyValue(rng, depth + 1)]]);
		case "set":
			return new Set([anyValue(rng, depth + 1)]);
		case "circle": {
			const circle: Record<string, unknown> = {};
			circle["self"] = circle;
			circle["list"] = [circle];
			return circle;
		}
		case "thrower":
			return {
				get value(): never {
					throw new Error("no");
				},
				after: 1,
			};
		case "proxy":
			return new Proxy(
				{},
				{
					ownKeys(): never {
						throw new Error("no");
					},
				},
			);
		default:
			return {
				toJSON(): never {
					throw new Error("no");
				},
			};
	}
}

describe("a log line", () => {
	test("is one bounded JSON object with the log's own keys, whatever its values are", () => {
		const rng = new Rng("log lines");
		for (let at = 0; at < CASES; at++) {
			const name = rng.pick(["time", "level", "part", "message", "value", "__proto__", "constructor"]);
			const value = anyValue(rng);
			const { text, line } = lineOf({ [name]: value, other: anyValue(rng) }, ["said ", value, " at last"]);
			expect(text.length).toBeLessThan(LINE_LENGTH_MAX);
			expect(line).toMatchObject({ time: "1970-01-01T00:00:00.000Z", level: "info", part: "test" });
			expect(line["message"]).toMatch(/^said .* at last$/s);
		}
	});

	test("has no half of a surrogate pair, which many readers of JSON refuse, not even where a text was cut", () => {
		const rng = new Rng("log texts");
		for (let at = 0; at < CASES; at++) {
			const texts = [anyText(rng), "\u{1f6b0}".repeat(1_000), `x${"\u{1f6b0}".repeat(1_000)}`];
			const value = rng.pick([() => rng.pick(texts), () => [rng.pick(texts)], () => new Error(rng.pick(texts))])();
			const { line } = lineOf({ value, keyed: { [rng.pick(texts)]: 1 }, [anyText(rng)]: 1 }, ["said ", value, ""]);
			expect(isWellFormed(line)).toBe(true);
		}
	});

	test("keeps a property with a reserved name under another name", () => {
		const { line } = lineOf({ time: 1, level: 2, part: 3, message: 4 });
		expect(line).toEqual({
			time: "1970-01-01T00:00:00.000Z",
			level: "info",
			part: "test",
			message: "said",
			_time: 1,
			_level: 2,
			_part: 3,
			_message: 4,
		});
	});

	test("shows an error by its message and those of its causes", () => {
		const error = new Error("the log can't be read", { cause: new Error("EIO") });
		const { line } = lineOf({ error, nested: { error } }, ["failed: ", error, ""]);
		expect(line).toMatchObject({
			message: "failed: the log can't be read: EIO",
			error: "the log can't be read: EIO",
			nested: { error: "the log can't be read: EIO" },
		});
		expect(messageOf(new TypeError())).toBe("TypeError");
		expect(messageOf("said so")).toBe("said so");
	});

	test("cuts a stranger's long text, and says so", () => {
		const { line } = lineOf({ text: "x".repeat(10_000) });
		expect(line["text"]).toBe(`${"x".repeat(STRING_CHARS_MAX)}…`);
	});

	test("shows bytes, bigints and lists readably", () => {
		const { line } = lineOf({
			bytes: new Uint8Array([1, 255]),
			big: 2n ** 64n,
			list: [1, [2, [3]]],
			map: new Map([[1, 2]]),
		});
		expect(line).toMatchObject({ bytes: "01ff", big: "18446744073709551616", list: [1, [2, [3]]], map: [[1, 2]] });
	});
});
