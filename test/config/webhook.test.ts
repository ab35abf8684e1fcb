import { describe, expect, test } from "bun:test";
import { webhooks } from "../../src/config/webhook.ts";
import { hideSecrets, masked } from "../../src/observe/masking.ts";
import { Rng } from "../../src/sim/rng.ts";

describe("webhooks", () => {
	test("are URLs, with their format before them", () => {
		expect(
			webhooks.parse("https://a.example/x, slack+https://hooks.slack.com/services/T/B/c,http://127.0.0.1:1"),
		).toEqual([
			{ url: "https://a.example/x", format: "json" },
			{ url: "https://hooks.slack.com/services/T/B/c", format: "slack" },
			{ url: "http://127.0.0.1:1/", format: "json" },
		]);
		for (const text of [
			"",
			"a.example",
			"ftp://a.example",
			"https://a.example/#x",
			"https://a,,",
			"x+https://a.example",
		])
			expect(() => webhooks.parse(text)).toThrow(RangeError);
		expect(() => webhooks.parse(Array.from({ length: 11 }, () => "https://a.example").join())).toThrow(RangeError);
	});

	test("that are named twice are told once", () => {
		const twice = "https://a.example/x, slack+https://a.example/x,HTTPS://A.example/x,slack+https://a.example/x";
		expect(webhooks.parse(twice)).toEqual([
			{ url: "https://a.example/x", format: "json" },
			{ url: "https://a.example/x", format: "slack" },
		]);
	});

	test("show no token, wherever in the URL it is", () => {
		const rng = new Rng("webhooks");
		for (let at = 0; at < 200; at++) {
			const token = `q7${rng.text(10 + rng.int(20), "abcXYZ019-_")}7Q`;
			const url = rng.pick([
				`https://a.example/${token}`,
				`https://a.example/hooks/${token}/slack`,
				`https://a.example/hook?key=${token}`,
				`https://user:${token}@a.example/`,
				`slack+https://a.example/services/T/B/${token}`,
			]);
			hideSecrets(webhooks.secretsIn?.(webhooks.parse(url)) ?? []);
			for (const text of [url, `POST ${url} failed`, `path /hooks/${token}`, JSON.stringify({ token })])
				expect(masked(text)).not.toContain(token);
		}
		hideSecrets([]);
	});
});
