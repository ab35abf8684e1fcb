import { describe, expect, test } from "bun:test";
import { ConfigError, loadConfig, settingsHelp, settingsTable } from "../../src/config/settings.ts";
import { Rng } from "../../src/sim/rng.ts";

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
			apiBind: { host: "::", port: 2470 },
			metricsListen: { host: "127.0.0.1", port: 2471 },
			publicDashboard: false,
			persistDir: "data/log",
			databaseUrl: "sqlite://data/index.sqlite",
			plcHost: "https://plc.directory",
			plcMirror: false,
			plcMirrorLagMaxMs: 300_000,
			adminPasswords: [],
			siblingRelays: [],
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
			bootstrap: [],
			bootstrapIntervalMs: 86_400_000,
			accountLimit: 100,
			accountGrowth: null,
			hostEventLimits: { perS: 50, perHour: 2500, perDay: 20_000 },
			trustedHostEventLimits: { perS: 5000, perHour: 50_000_000, perDay: 500_000_000 },
			trustedDomains: ["*.host.bsky.network"],
			identityCacheSize: 500_000,
			ingestWorkers: 6,
			fanoutWorkers: 1,
			consumersMax: 1000,
			consumersPerIpMax: 50,
			readsPerIpPerS: 20,
			slowConsumerBytesPerS: 16_384,
			slowConsumerWindowMs: 60_000,
			trustProxy: false,
			hostBufferBytes: 8_388_608,
			ingestBufferBytes: 67_108_864,
			drainTimeoutMs: 10_000,
			tracesEndpoint: null,
			telemetryEndpoint: null,
			tracesRatio: 0.01,
			serviceName: "standpipe",
			alertWebhooks: [],
			alertRepeatMs: 21_600_000,
			logLevel: "info",
			logFormat: "auto",
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
		expect(load([], { RELAY_ADMIN_KEY: "s3cret" }).config.adminPasswords).toEqual(["s3cret"]);
		expect(load([], { LOG_LEVEL: "warn" }).config.logLevel).toBe("warning");
	});

	test("a flag overrides the environment, by any of its names", () => {
		const env = { RELAY_API_BIND: ":1", DATABASE_URL: "sqlite://a" };
		expect(load(["--bind", ":3"], env).config.apiBind.port).toBe(3);
		expect(load(["--api-bind=:4"], env).config.apiBind.port).toBe(4);
		expect(load(["--db-url", "sqlite:///b"], env).config.databaseUrl).toBe("sqlite:///b");
		expect(load(["--database-url=sqlite://c/d.sqlite"], env).config.databaseUrl).toBe("sqlite://c/d.sqlite");
	});

	test("a switch may stand alone or have a value", () => {
		expect(load(["--trust-proxy", "true", "--bind", ":3"]).config).toMatchObject({
			trustProxy: true,
			apiBind: { port: 3 },
		});
		expect(load(["--trust-proxy", "--allow-insecure-hosts", "false"]).config).toMatchObject({
			trustProxy: true,
			allowInsecureHosts: false,
		});
		expect(load(["--trust-proxy"]).config.trustProxy).toBe(true);
		expect(load(["--trust-proxy=false"], { RELAY_TRUST_PROXY: "true" }).config.trustProxy).toBe(false);
		expect(load([], { RELAY_TRUST_PROXY: "1" }).config.trustProxy).toBe(true);
	});

	test("unknown RELAY_ variables are warned of, other variables are ignored", () => {
		const { warnings } = load([], { RELAY_REPLAY_WINDO: "1h", RELAY_A: "1", PATH: "/bin", RELAY_API_BIND: ":1" });
		expect(warnings).toEqual([
			"RELAY_A is set, but there is no such setting",
			"RELAY_REPLAY_WINDO is set, but there is no such setting; did you mean RELAY_REPLAY_WINDOW?",
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
		["--initial-seq-number", "4503599627370497"],
		["--ingest-workers", "1.5"],
		["--db-url", "data/index.sqlite"],
		["--db-url", "sqlite://"],
		["--host-buffer-bytes", "4MiB"],
		["--log-level", "loud"],
	])("%s %s is refused", (flag, text) => {
		const faults = faultsOf([`${flag}=${text}`]);
		expect(faults).toHaveLength(1);
		const shown = flag === "--db-url" ? "the value" : `"${text}"`;
		expect(faults[0]).toStartWith(`${flag}: ${shown} is not valid; expected `);
	});

	test("a worker's buffer is not smaller than a host's", () => {
		expect(faultsOf(["--host-buffer-bytes=32MiB", "--ingest-buffer-bytes=16MiB"])).toEqual([
			"RELAY_INGEST_BUFFER_BYTES: 16777216 is less than RELAY_HOST_BUFFER_BYTES, 33554432",
		]);
	});

	test("a URL of PostgreSQL is taken as it is", () => {
		for (const scheme of ["postgres", "postgresql"]) {
			const url = `${scheme}://relay:hunter2@db.example.com:5433/relay?sslmode=verify-full`;
			expect(load([], { DATABASE_URL: url }).config.databaseUrl).toBe(url);
		}
	});

	test("a URL of PostgreSQL that is not valid is refused, and none of it is shown", () => {
		for (const url of [
			"postgres://relay:hunter2@db",
			"postgres://relay:hunter2@db/",
			"postgres://relay:hunter2#secret@db/relay",
			"postgres://relay:hunter2/secret@db/relay",
			"postgres://relay:hunter2%zz@db/relay",
			"postgresql://relay:hunter2db/relay",
			"postgres://relay:hunter2@one,two/relay",
			"postgres://relay@db/relay?password=hunter2",
			"postgres://relay:hunter2@db/relay?sslmode=maybe",
			"postgres://relay:hunter2@db/relay?sslrootcert=/ca.pem",
			"POSTGRES://relay:hunter2@db/relay",
		]) {
			const [fault] = faultsOf([], { DATABASE_URL: url });
			expect(fault).toStartWith("DATABASE_URL: the value is not valid; expected ");
			expect(fault).not.toContain("hunter2");
			expect(fault).not.toContain("secret");
		}
	});
});

describe("faults", () => {
	test("are reported all at once, each with the name that was used", () => {
		const faults = faultsOf(["--bind", "x", "--no-such", "--plc-host", "--trust-proxy=maybe", "stray"], {
			RELAY_REPLAY_WINDOW: "long",
			GO_LOG_LEVEL: "trace",
		});
		expect(faults.map((fault) => fault.split(/[:;]/)[0])).toEqual([
			"--no-such",
			"--plc-host",
			"argument 6 is neither a flag nor a flag's value",
			"--bind",
			"RELAY_REPLAY_WINDOW",
			"--trust-proxy",
			"GO_LOG_LEVEL",
		]);
	});

	test("may be several admin passwords, of which none is empty", () => {
		expect(load([], { RELAY_ADMIN_PASSWORD: "a, b c ,d" }).config.adminPasswords).toEqual(["a", "b c", "d"]);
		for (const text of ["a,,b", ",a", "a,", " ", Array.from({ length: 101 }, () => "a").join()])
			expect(faultsOf([], { RELAY_ADMIN_PASSWORD: text })).toHaveLength(1);
	});

	test("never show a secret, whichever way it was given", () => {
		for (const args of [
			["--admin-pasword", "hunter2"],
			["--admin-password", "hunter2", "--bind=x"],
			["--admin-password", "hunter2,,"],
			["--admin-password-file", "hunter2"],
			["--db-url", "postgres://relay:hunter2@db"],
			["--database-url-file=postgres://relay:hunter2@db/relay"],
		]) {
			expect(faultsOf(args).length).toBeGreaterThan(0);
			expect(faultsOf(args).join()).not.toContain("hunter2");
		}
		expect(faultsOf(["--admin-password="])).toHaveLength(1);
	});

	test("a secret on the command line is refused, since all users of the machine can read it there", () => {
		expect(faultsOf(["--admin-password", "hunter2"])).toEqual([expect.stringContaining("RELAY_ADMIN_PASSWORD_FILE")]);
		expect(faultsOf(["--db-url=postgres://relay:hunter2@db/relay"])).toEqual([
			expect.stringContaining("DATABASE_URL_FILE"),
		]);
		for (const url of ["sqlite://a.sqlite", "postgres://relay@db/relay"])
			expect(load(["--db-url", url]).config.databaseUrl).toBe(url);
	});
});

describe("generated command lines", () => {
	/** For each flag: a value that it accepts, and the setting that comes of it. */
	const VALUES: Record<string, [text: string, setting: string, value: unknown]> = {
		"--api-bind": ["127.0.0.1:7", "apiBind", { host: "127.0.0.1", port: 7 }],
		"--bind": ["[::1]:8", "apiBind", { host: "::1", port: 8 }],
		"--metrics-listen": [":9", "metricsListen", { host: "::", port: 9 }],
		"--persist-dir": ["-odd=name", "persistDir", "-odd=name"],
		"--db-url": ["sqlite://p=w d", "databaseUrl", "sqlite://p=w d"],
		"--segment-bytes": ["2MiB", "segmentBytes", 2_097_152],
		"--initial-seq-number": ["4503599627370496", "initialSeq", 4503599627370496],
		"--sync-mode": ["write", "syncMode", "write"],
		"--account-limit-growth": ["10/d,1000", "accountGrowth", { perDay: 10, max: 1_000 }],
		"--trust-proxy": ["1", "trustProxy", true],
		"--allow-insecure-hosts": ["false", "allowInsecureHosts", false],
		"--lenient-sync-validation": ["TRUE", "lenientSyncValidation", true],
		"--disable-request-crawl": ["true", "disableRequestCrawl", true],
	};
	const SWITCHES = new Set([
		"--trust-proxy",
		"--allow-insecure-hosts",
		"--lenient-sync-validation",
		"--disable-request-crawl",
	]);

	test("mean the same in each form, in any order, and the last of a flag counts", () => {
		const rng = new Rng("command lines");
		for (let at = 0; at < 2_000; at++) {
			const args: string[] = [];
			const expected: Record<string, unknown> = {};
			for (let count = rng.int(6); count > 0; count--) {
				const flag = rng.pick(Object.keys(VALUES));
				const [text, setting, value] = VALUES[flag] ?? ["", "", null];
				const form = rng.pick(SWITCHES.has(flag) ? ["apart", "inline", "alone"] : ["apart", "inline"]);
				if (form === "apart") args.push(flag, text);
				else args.push(form === "inline" ? `${flag}=${text}` : flag);
				expected[setting] = form === "alone" ? true : value;
			}
			expect(load(args).config).toMatchObject(expected);
		}
	});

	test("with one mistake have one fault, which names the flag and shows no value of another flag", () => {
		const rng = new Rng("mistakes");
		for (let at = 0; at < 2_000; at++) {
			const flag = rng.pick(Object.keys(VALUES));
			const [text] = VALUES[flag] ?? [""];
			const before = rng.int(2) === 0 ? [] : ["--persist-dir", "hunter2"];
			const after = rng.int(2) === 0 ? [] : ["--bind=:1"];
			const mistake = rng.pick(["no value", "empty", "mistyped", "positional"] as const);
			const cut = 2 + rng.int(flag.length - 3);
			const mistyped = flag.slice(0, cut) + flag.slice(cut + 1);
			const args = {
				"no value": [SWITCHES.has(flag) ? `${flag}=` : flag],
				empty: [`${flag}=`],
				mistyped: rng.int(2) === 0 ? [mistyped, text] : [`${mistyped}=${text}`],
				positional: [`${flag}=${text}`, "hunter2"],
			}[mistake];
			const faults = faultsOf([...before, ...args, ...after]);
			expect(faults).toHaveLength(1);
			expect(faults[0]).not.toContain("hunter2");
			if (mistake === "positional") expect(faults[0]).toMatch(/^argument \d is neither a flag nor/);
			else if (mistake === "mistyped")
				expect(faults[0]).toMatch(/^--.*: there is no such flag; .*`standpipe serve --help` lists them$/);
			else expect(faults[0]).toStartWith(`${flag}: its value is missing; expected `);
		}
	});

	test("with a letter too many, too few, wrong or swapped get a hint at the flag that was meant", () => {
		for (const flag of ["metrics-listen", "persist-dir", "allow-insecure-hosts", "replay-window"])
			for (let at = 0; at < flag.length - 1; at++) {
				const [left, letter = "", next = "", right] = [flag.slice(0, at), flag[at], flag[at + 1], flag.slice(at + 2)];
				for (const mistyped of [left + next + right, `${left}x${letter}${next}${right}`, `${left}x${next}${right}`]) {
					expect(faultsOf([`--${mistyped}=1`])[0]).toContain(`did you mean --${flag}?`);
				}
				if (letter !== next)
					expect(faultsOf([`--${left}${next}${letter}${right}`])[0]).toContain(`did you mean --${flag}?`);
			}
		expect(faultsOf(["--colour"])).toEqual(["--colour: there is no such flag; `standpipe serve --help` lists them"]);
		expect(faultsOf(["-bind", ":1"])).toHaveLength(2);
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
