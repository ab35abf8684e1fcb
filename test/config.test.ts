import { describe, expect, test } from "bun:test";
import { ConfigError, loadConfig, settingsHelp, settingsTable } from "../src/config.ts";

const MACHINE = { cores: 8 };

function load(args: string[], env: Record<string, string> = {}, machine = MACHINE) {
	return loadConfig(args, env, machine);
}

function faultsOf(args: string[], env: Record<string, string> = {}): readonly string[] {
	try {
		load(args, env);
	} catch (error) {
		if (error instanceof ConfigError) return error.faults;
		throw error;
	}
	return [];
}

describe("defaults", () => {
	test("are the documented ones", () => {
		const { config, warnings } = load([]);
		expect(warnings).toEqual([]);
		expect(config).toEqual({
			apiBind: { host: "0.0.0.0", port: 2470 },
			metricsListen: { host: "0.0.0.0", port: 2471 },
			persistDir: "data/log",
			databasePath: "data/index.sqlite",
			plcHost: "https://plc.directory",
			adminPassword: null,
			replayWindowMs: 72 * 3_600_000,
			replayBytesMax: null,
			diskReserveBytes: 536_870_912,
			syncMode: "always",
			segmentBytes: 268_435_456,
			initialSeq: 1,
			allowInsecureHosts: false,
			lenientSyncValidation: false,
			verifyEngine: "auto",
			disableRequestCrawl: false,
			newHostsPerDayMax: 50,
			identityCacheSize: 500_000,
			ingestWorkers: 6,
			fanoutWorkers: 1,
			consumersMax: 1000,
			consumersPerIpMax: 50,
			slowConsumerBytesPerS: 16_384,
			slowConsumerWindowMs: 60_000,
			trustProxy: false,
			hostBufferBytes: 8_388_608,
			ingestBufferBytes: 67_108_864,
			drainTimeoutMs: 10_000,
			logLevel: "info",
		});
	});

	test.each([
		[1, 1],
		[2, 1],
		[5, 3],
		[128, 8],
	])("%d cores give %d ingest workers", (cores, workers) => {
		expect(load([], {}, { cores }).config.ingestWorkers).toBe(workers);
	});
});

describe("names", () => {
	test("the first variable that is set counts, and an empty one is not set", () => {
		expect(load([], { RELAY_API_BIND: ":1", RELAY_API_LISTEN: ":2" }).config.apiBind.port).toBe(1);
		expect(load([], { RELAY_API_BIND: "", RELAY_API_LISTEN: ":2" }).config.apiBind.port).toBe(2);
		expect(load([], { ATP_PLC_HOST: "http://localhost:2582/" }).config.plcHost).toBe("http://localhost:2582");
		expect(load([], { RELAY_ADMIN_KEY: "s3cret" }).config.adminPassword).toBe("s3cret");
		expect(load([], { LOG_LEVEL: "warn" }).config.logLevel).toBe("warning");
	});

	test("a flag goes before the environment, by any of its names", () => {
		const env = { RELAY_API_BIND: ":1", DATABASE_URL: "sqlite://a" };
		expect(load(["--bind", ":3"], env).config.apiBind.port).toBe(3);
		expect(load(["--api-bind=:4"], env).config.apiBind.port).toBe(4);
		expect(load(["--db-url", "sqlite:///b"], env).config.databasePath).toBe("/b");
		expect(load(["--database-url=sqlite://c/d.sqlite"], env).config.databasePath).toBe("c/d.sqlite");
	});

	test("a switch may stand alone or have a value", () => {
		expect(load(["--trust-proxy"]).config.trustProxy).toBe(true);
		expect(load(["--trust-proxy=false"], { RELAY_TRUST_PROXY: "true" }).config.trustProxy).toBe(false);
		expect(load([], { RELAY_TRUST_PROXY: "1" }).config.trustProxy).toBe(true);
	});

	test("unknown RELAY_ variables are warned of, others are none of ours", () => {
		const { warnings } = load([], { RELAY_REPLAY_WINDO: "1h", RELAY_A: "1", PATH: "/bin", RELAY_API_BIND: ":1" });
		expect(warnings).toEqual([
			"RELAY_A is set, but there is no such setting",
			"RELAY_REPLAY_WINDO is set, but there is no such setting",
		]);
	});
});

describe("values", () => {
	test.each([
		["72h", 259_200_000],
		["90m", 5_400_000],
		["1h30m", 5_400_000],
		["1500ms", 1500],
		["1.5s", 1500],
	])("duration %s", (text, ms) => {
		expect(load(["--replay-window", text]).config.replayWindowMs).toBe(ms);
	});

	test.each([
		["1MiB", 1_048_576],
		["512MiB", 536_870_912],
		["5000000", 5_000_000],
		["5000000B", 5_000_000],
	])("bytes %s", (text, bytes) => {
		expect(load(["--segment-bytes", text]).config.segmentBytes).toBe(bytes);
	});

	test.each([
		["127.0.0.1:0", { host: "127.0.0.1", port: 0 }],
		["[::1]:65535", { host: "::1", port: 65_535 }],
		["localhost:80", { host: "localhost", port: 80 }],
	])("bind %s", (text, parsed) => {
		expect(load(["--bind", text]).config.apiBind).toEqual(parsed);
	});

	test.each([
		["--replay-window", "72"],
		["--replay-window", "1d"],
		["--replay-window", "10ms"],
		["--replay-window", "-1h"],
		["--replay-window", "1.2.3h"],
		["--segment-bytes", "1MB"],
		["--segment-bytes", "1023KiB"],
		["--segment-bytes", "1GiB"],
		["--bind", "2470"],
		["--bind", ":65536"],
		["--bind", "::1:80"],
		["--sync-mode", "never"],
		["--plc-host", "plc.directory"],
		["--plc-host", "ftp://plc.directory"],
		["--plc-host", "https://plc.directory/path"],
		["--initial-seq-number", "0"],
		["--initial-seq-number", "9007199254740992"],
		["--ingest-workers", "1.5"],
		["--db-url", "data/index.sqlite"],
		["--db-url", "sqlite://"],
		["--host-buffer-bytes", "4MiB"],
		["--log-level", "loud"],
	])("%s %s is refused", (flag, text) => {
		const faults = faultsOf([`${flag}=${text}`]);
		expect(faults).toHaveLength(1);
		expect(faults[0]).toStartWith(`${flag}: "${text}" is not valid; expected `);
	});

	test("a worker's buffer is not smaller than a host's", () => {
		expect(faultsOf(["--host-buffer-bytes=32MiB", "--ingest-buffer-bytes=16MiB"])).toEqual([
			"RELAY_INGEST_BUFFER_BYTES: 16777216 is less than RELAY_HOST_BUFFER_BYTES, 33554432",
		]);
	});

	test("PostgreSQL is refused in so many words, and its password is not shown", () => {
		const [fault] = faultsOf([], { DATABASE_URL: "postgres://relay:hunter2@db/relay" });
		expect(fault).toContain("DATABASE_URL");
		expect(fault).toContain("not supported yet");
		expect(fault).not.toContain("hunter2");
	});
});

describe("faults", () => {
	test("are told all at once, each by the name that was used", () => {
		const faults = faultsOf(["--bind", "x", "--no-such", "--plc-host", "--trust-proxy=maybe", "stray"], {
			RELAY_REPLAY_WINDOW: "long",
			GO_LOG_LEVEL: "trace",
		});
		expect(faults.map((fault) => fault.split(/[:;]/)[0])).toEqual([
			"--no-such",
			"argument 6 is neither a flag nor a flag's value",
			"--bind",
			"--plc-host",
			"RELAY_REPLAY_WINDOW",
			"--trust-proxy",
			"GO_LOG_LEVEL",
		]);
	});

	test("never show the admin password", () => {
		for (const args of [
			["--admin-password="],
			["--admin-pasword", "hunter2"],
			["--admin-password", "hunter2", "--bind=x"],
		])
			expect(faultsOf(args).join()).not.toContain("hunter2");
		expect(faultsOf(["--admin-password="])).toHaveLength(1);
	});
});

test("the table and the help name every setting once", () => {
	const table = settingsTable();
	const rows = table.trimEnd().split("\n").slice(2);
	expect(rows).toHaveLength(Object.keys(load([]).config).length);
	expect(rows.every((row) => row.split("|").length === 6)).toBe(true);
	expect(rows[0]).toStartWith("| `RELAY_API_BIND`, `RELAY_API_LISTEN` | `--api-bind`, `--bind` | `:2470` |");
	expect(settingsHelp().match(/^ {2}--/gm)).toHaveLength(rows.length);
});

test("the README's table is what the settings are", async () => {
	const readme = await Bun.file(new URL("../README.md", import.meta.url)).text();
	expect(readme).toContain(settingsTable().trim());
});
