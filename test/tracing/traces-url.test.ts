import { expect, test } from "bun:test";
import { loadConfig } from "../../src/config/settings.ts";
import { tracesUrl } from "../../src/tracing/traces-url.ts";

test.each([
	[{}, null],
	[{ OTEL_EXPORTER_OTLP_ENDPOINT: "http://localhost:4318" }, "http://localhost:4318/v1/traces"],
	[{ OTEL_EXPORTER_OTLP_ENDPOINT: "https://otlp.example/tenant/" }, "https://otlp.example/tenant/v1/traces"],
	[{ OTEL_EXPORTER_OTLP_ENDPOINT: "https://otlp.example/?key=a" }, "https://otlp.example/v1/traces?key=a"],
	[{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://localhost:4318/own" }, "http://localhost:4318/own"],
	[
		{ OTEL_EXPORTER_OTLP_ENDPOINT: "http://all.example", OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://one.example/t" },
		"http://one.example/t",
	],
])("with %j traces go to %p", (env, url) => {
	expect(tracesUrl(loadConfig([], env, { cores: 2 }).config)).toBe(url);
});

test.each(["localhost:4318", "ftp://otlp.example", "http://otlp.example/#part", "http://me:word@otlp.example"])(
	"%s is refused",
	(text) => {
		expect(() => loadConfig([], { OTEL_EXPORTER_OTLP_ENDPOINT: text }, { cores: 2 })).toThrow(
			"an http:// or https:// URL",
		);
	},
);

test.each(["-0.1", "1.5", "NaN", "half", "1e-3"])("a share of %s is refused", (text) => {
	expect(() => loadConfig([], { OTEL_TRACES_SAMPLER_ARG: text }, { cores: 2 })).toThrow("a number from 0 to 1");
});
