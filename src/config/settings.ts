// config/: what an operator may set, and its defaults. Limits that nobody may set are constants where they are used.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { LOG_FORMATS, LOG_LEVELS } from "../observe/log.ts";
import { FRAME_BYTES_MAX } from "../protocol/limits.ts";
import { ENGINE_CHOICES, SEGMENT_BYTES_MAX } from "./bounds.ts";
import { nearest } from "./nearest.ts";
import { readSecretFile, SecretFileError } from "./secret-file.ts";
import {
	ACCOUNTS_MAX,
	accountGrowth,
	bind,
	byteCount,
	domains,
	duration,
	eventLimits,
	indexUrl,
	type Machine,
	name,
	oneOf,
	origin,
	origins,
	passwords,
	path,
	type Setting,
	serviceUrl,
	share,
	wholeNumber,
	yesOrNo,
} from "./setting.ts";

import { type Webhook, webhooks } from "./webhook.ts";

const MIB = 1024 ** 2;
const HOUR_MS = 3_600_000;
/** Leaves as many seqs again above it, since JavaScript counts exactly up to 2^53. */
const INITIAL_SEQ_MAX = 2 ** 52;
/**
 * The greatest default. So many workers verify some twenty times what the network sends, and the number of rings between them
 * grows with the square of theirs.
 */
const INGEST_WORKERS_MAX = 8;

/**
 * Every setting. Parsing, `--help` and the table in docs/settings.md all come from here. If another relay has a setting with
 * the same meaning, ours has its name too.
 */
const SETTINGS = {
	apiBind: setting({
		env: ["RELAY_API_BIND", "RELAY_API_LISTEN"],
		flagAliases: ["bind"],
		kind: bind,
		default: ":2470",
		meaning: "Address of the public port, which serves the firehose and the XRPC methods.",
	}),
	metricsListen: setting({
		env: ["RELAY_METRICS_LISTEN"],
		kind: bind,
		default: "127.0.0.1:2471",
		meaning:
			"Address of the internal port, which serves metrics and health. It has no authentication: use a wider address only in a private network.",
	}),
	publicDashboard: setting({
		env: ["RELAY_PUBLIC_DASHBOARD"],
		kind: yesOrNo,
		default: "false",
		meaning:
			"Shows the dashboard at `/` of the public port too: without addresses of consumers, the audit log and actions.",
	}),
	persistDir: setting({
		env: ["RELAY_PERSIST_DIR", "RELAY_PERSISTER_DIR"],
		kind: path,
		default: "data/log",
		meaning: "Folder of the log's segments.",
	}),
	databaseUrl: setting({
		env: ["DATABASE_URL"],
		flagAliases: ["db-url"],
		kind: indexUrl,
		default: "sqlite://data/index.sqlite",
		secret: true,
		meaning:
			"The index database. SQLite's file is created if it does not exist; in PostgreSQL the database must exist, and its tables are created. TLS is set by the parameters `sslmode`, `sslrootcert`, `sslcert` and `sslkey`.",
	}),
	plcHost: setting({
		env: ["RELAY_PLC_HOST", "ATP_PLC_HOST"],
		kind: origin,
		default: "https://plc.directory",
		meaning: "The directory that resolves did:plc identities.",
	}),
	plcMirror: setting({
		env: ["RELAY_PLC_MIRROR"],
		kind: yesOrNo,
		default: "false",
		meaning:
			"Follows all operations of the PLC directory, checks them, and resolves did:plc identities from them. The first reading takes about a day, and some 20 GB beside the index.",
	}),
	plcMirrorLagMaxMs: setting({
		env: ["RELAY_PLC_MIRROR_MAX_LAG"],
		kind: duration(10_000, 24 * HOUR_MS),
		default: "5m",
		meaning:
			"How old what the mirror holds may be. If it is older, the directory is asked; the mirror's answer counts only while the directory fails.",
	}),
	adminPasswords: setting<readonly string[]>({
		env: ["RELAY_ADMIN_PASSWORD", "RELAY_ADMIN_KEY"],
		kind: passwords,
		default: null,
		unset: () => [],
		unsetText: "none: the admin API is closed",
		secret: true,
		meaning:
			"Password of user `admin` at the admin API, or several of them: each opens it. In a file they stand one a line, and may have commas.",
	}),
	siblingRelays: setting<readonly string[]>({
		env: ["RELAY_SIBLING_RELAYS"],
		kind: origins,
		default: null,
		unset: () => [],
		meaning:
			"Other relays of the same operator, with the same admin password. Requests for hosts, and what admins do to hosts, domains and accounts, are passed on to them.",
	}),
	replayWindowMs: setting({
		env: ["RELAY_REPLAY_WINDOW", "RELAY_EVENT_PLAYBACK_TTL"],
		kind: duration(1000, 24 * 366 * HOUR_MS),
		default: "72h",
		meaning: "How long the log keeps messages for replay.",
	}),
	replayBytesMax: setting<number | null>({
		env: ["RELAY_REPLAY_BYTES"],
		kind: byteCount(2 * MIB, 1024 ** 5),
		default: null,
		unset: () => null,
		unsetText: "no limit",
		meaning: "Maximum size of the log. Older segments are removed first, whatever their age. At least two segments.",
	}),
	diskReserveBytes: setting({
		env: ["RELAY_DISK_RESERVE"],
		kind: byteCount(0, 1024 ** 5),
		default: "512MiB",
		meaning:
			"Bytes of the log's disk to keep free. Below it the oldest segments are removed; if none is left to remove, hosts are paused. Set it to more than one segment, since the disk may fill up between two checks.",
	}),
	syncMode: setting({
		env: ["RELAY_SYNC_MODE"],
		kind: oneOf(["always", "write"]),
		default: "always",
		meaning:
			"When to broadcast a message: after it is synced to disk (`always`), or after it is written (`write`), which a power cut may undo.",
	}),
	segmentBytes: setting({
		env: ["RELAY_SEGMENT_BYTES"],
		kind: byteCount(MIB, SEGMENT_BYTES_MAX),
		default: "256MiB",
		meaning: "Size of a log segment; retention removes whole segments.",
	}),
	initialSeq: setting({
		env: ["RELAY_INITIAL_SEQ_NUMBER"],
		kind: wholeNumber(1, INITIAL_SEQ_MAX),
		default: "1",
		meaning: "First `seq` of a new log. No effect on a log that has records.",
	}),
	allowInsecureHosts: setting({
		env: ["RELAY_ALLOW_INSECURE_HOSTS"],
		kind: yesOrNo,
		default: "false",
		meaning: "Lets an admin add hosts such as `localhost:PORT`, and hosts without TLS. For tests.",
	}),
	lenientSyncValidation: setting({
		env: ["RELAY_LENIENT_SYNC_VALIDATION"],
		kind: yesOrNo,
		default: "false",
		meaning: "Passes on commits that only the strict Sync 1.1 rules would drop, and counts them.",
	}),
	verifyEngine: setting({
		env: ["RELAY_VERIFY_ENGINE"],
		kind: oneOf(ENGINE_CHOICES),
		default: "auto",
		meaning:
			"The engine that verifies messages: `native` is in Rust, and the start fails if it does not work; `portable` runs anywhere; `auto` uses `native` if it works.",
	}),
	disableRequestCrawl: setting({
		env: ["RELAY_DISABLE_REQUEST_CRAWL"],
		kind: yesOrNo,
		default: "false",
		meaning: "Refuses `requestCrawl` from everybody but an admin.",
	}),
	newHostsPerDayMax: setting({
		env: ["RELAY_NEW_HOSTS_PER_DAY_LIMIT"],
		kind: wholeNumber(0, 1_000_000),
		default: "50",
		meaning: "Hosts that `requestCrawl` may add within 24 hours. Those that an admin adds do not count.",
	}),
	bootstrap: setting<readonly string[]>({
		env: ["RELAY_BOOTSTRAP"],
		kind: origins,
		default: null,
		unset: () => [],
		meaning:
			"Other relays whose hosts are added, at the start and then in the background. Each host passes the checks of `requestCrawl`, but not the limits on strangers.",
	}),
	bootstrapIntervalMs: setting({
		env: ["RELAY_BOOTSTRAP_INTERVAL"],
		kind: duration(60_000, 24 * 366 * HOUR_MS),
		default: "24h",
		meaning: "How often the hosts of RELAY_BOOTSTRAP are asked for.",
	}),
	accountLimit: setting({
		env: ["RELAY_DEFAULT_ACCOUNT_LIMIT", "RELAY_DEFAULT_REPO_LIMIT"],
		kind: wholeNumber(0, ACCOUNTS_MAX),
		default: "100",
		meaning:
			"How many accounts a host may have; further ones are throttled until there is room. RELAY_HOST_EVENT_LIMITS grow with it. Hosts of RELAY_TRUSTED_DOMAINS may have any number.",
	}),
	accountGrowth: setting({
		env: ["RELAY_ACCOUNT_LIMIT_GROWTH"],
		kind: accountGrowth,
		default: "none",
		meaning:
			"By how many accounts RELAY_DEFAULT_ACCOUNT_LIMIT grows for a host with each day on which its messages were good, and the limit at which that ends. A limit that an admin has set for a host does not grow.",
	}),
	hostEventLimits: setting({
		env: ["RELAY_HOST_EVENT_LIMITS"],
		kind: eventLimits,
		default: "50/s,2500/h,20000/d",
		meaning:
			"Messages of one host that pass in any second, hour and day. With each account of RELAY_DEFAULT_ACCOUNT_LIMIT it is one more an hour and ten more a day, with each thousand one more a second. Messages beyond that wait.",
	}),
	trustedHostEventLimits: setting({
		env: ["RELAY_TRUSTED_HOST_EVENT_LIMITS"],
		kind: eventLimits,
		default: "5000/s,50000000/h,500000000/d",
		meaning: "The same for a host of RELAY_TRUSTED_DOMAINS. It does not depend on the number of accounts.",
	}),
	trustedDomains: setting({
		env: ["RELAY_TRUSTED_DOMAINS"],
		kind: domains,
		default: "*.host.bsky.network",
		meaning: "Trusted hosts, which have their own limits: names, or what names end with after a `*`.",
	}),
	identityCacheSize: setting({
		env: ["RELAY_IDENT_CACHE_SIZE", "RELAY_DID_CACHE_SIZE"],
		kind: wholeNumber(1000, 100_000_000),
		default: "500000",
		meaning: "Identities kept in memory, in all ingest workers together.",
	}),
	ingestWorkers: setting({
		env: ["RELAY_INGEST_WORKERS"],
		kind: wholeNumber(1, 64),
		default: null,
		unset: ({ cores }) => Math.min(Math.max(Math.floor((3 * cores) / 4), 1), INGEST_WORKERS_MAX),
		unsetText: `three quarters of the cores, from 1 to ${INGEST_WORKERS_MAX}`,
		meaning: "Threads that follow hosts and verify messages.",
	}),
	fanoutWorkers: setting({
		env: ["RELAY_FANOUT_WORKERS"],
		kind: wholeNumber(1, 64),
		default: "1",
		meaning: "Threads that serve the public port.",
	}),
	consumersMax: setting({
		env: ["RELAY_MAX_CONSUMERS"],
		kind: wholeNumber(1, 1_000_000),
		default: "1000",
		meaning: "Consumers connected at once.",
	}),
	consumersPerIpMax: setting({
		env: ["RELAY_MAX_CONSUMERS_PER_IP"],
		kind: wholeNumber(1, 1_000_000),
		default: "50",
		meaning:
			"Consumers connected at once from one IPv4 address or IPv6 /64. If the relay is behind a proxy, see RELAY_TRUST_PROXY.",
	}),
	readsPerIpPerS: setting({
		env: ["RELAY_MAX_READS_PER_IP"],
		kind: wholeNumber(1, 1_000_000),
		default: "20",
		meaning:
			"Requests per second for `listRepos` and the other methods that read the index, from one IPv4 address or IPv6 /64. Five times as many may come at once. `/api/why` counts as five. Further requests get 429.",
	}),
	slowConsumerBytesPerS: setting({
		env: ["RELAY_SLOW_CONSUMER_RATE"],
		kind: byteCount(1, 1024 * MIB),
		default: "16KiB",
		meaning:
			"Minimum bytes per second that a consumer must read if it is far behind. If it reads less for a whole window, it is dropped with `ConsumerTooSlow`.",
	}),
	slowConsumerWindowMs: setting({
		env: ["RELAY_SLOW_CONSUMER_WINDOW"],
		kind: duration(10_000, 24 * HOUR_MS),
		default: "60s",
		meaning: "Window over which RELAY_SLOW_CONSUMER_RATE is measured.",
	}),
	trustProxy: setting({
		env: ["RELAY_TRUST_PROXY"],
		kind: yesOrNo,
		default: "false",
		meaning: "Takes a client's address from `X-Forwarded-For`. Set it only behind a proxy that sets this header.",
	}),
	hostBufferBytes: setting({
		env: ["RELAY_HOST_BUFFER_BYTES"],
		kind: byteCount(FRAME_BYTES_MAX, 1024 * MIB),
		default: "8MiB",
		meaning: "Maximum bytes of one host's messages in flight. At the limit its socket is paused.",
	}),
	ingestBufferBytes: setting({
		env: ["RELAY_INGEST_BUFFER_BYTES"],
		kind: byteCount(FRAME_BYTES_MAX, 16_384 * MIB),
		default: "64MiB",
		meaning: "Maximum bytes in flight of all hosts of one ingest worker together.",
	}),
	drainTimeoutMs: setting({
		env: ["RELAY_DRAIN_TIMEOUT"],
		kind: duration(1_000, HOUR_MS),
		default: "10s",
		meaning:
			"How long a stop may take. After that the process ends with code 1. Consumers have half of this time to read what is published. Set the supervisor's grace period to more.",
	}),
	tracesEndpoint: setting<string | null>({
		env: ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"],
		kind: serviceUrl,
		default: null,
		unset: () => null,
		unsetText: "OTEL_EXPORTER_OTLP_ENDPOINT with `/v1/traces`",
		meaning: "URL to which traces of sampled messages are sent, by OTLP over HTTP as JSON.",
	}),
	telemetryEndpoint: setting<string | null>({
		env: ["OTEL_EXPORTER_OTLP_ENDPOINT"],
		kind: serviceUrl,
		default: null,
		unset: () => null,
		unsetText: "none: messages are not traced",
		meaning: "URL of an OpenTelemetry receiver, such as http://localhost:4318. Traces go to `/v1/traces` below it.",
	}),
	tracesRatio: setting({
		env: ["OTEL_TRACES_SAMPLER_ARG"],
		kind: share,
		default: "0.01",
		meaning: "The share of messages that are traced, from 0 to 1.",
	}),
	serviceName: setting({
		env: ["OTEL_SERVICE_NAME"],
		kind: name,
		default: "standpipe",
		meaning: "What the relay is called in traces.",
	}),
	alertWebhooks: setting<readonly Webhook[]>({
		env: ["RELAY_ALERT_WEBHOOK"],
		kind: webhooks,
		default: null,
		unset: () => [],
		unsetText: "none: no alerts are sent",
		secret: true,
		meaning:
			"URLs that are told when something is wrong with the relay or a host, and when it is over: a POST of JSON, or of what Slack takes.",
	}),
	alertRepeatMs: setting({
		env: ["RELAY_ALERT_REPEAT"],
		kind: duration(60_000, 24 * 366 * HOUR_MS),
		default: "6h",
		meaning: "How often RELAY_ALERT_WEBHOOK is reminded of what is still wrong.",
	}),
	logLevel: setting({
		env: ["RELAY_LOG_LEVEL", "GO_LOG_LEVEL", "LOG_LEVEL"],
		kind: oneOf(LOG_LEVELS, { warn: "warning" }),
		default: "info",
		meaning: "The lowest level of log lines that are written.",
	}),
	logFormat: setting({
		env: ["RELAY_LOG_FORMAT"],
		kind: oneOf(LOG_FORMATS),
		default: "auto",
		meaning:
			"How log lines are written: one JSON object each (`json`), or for people (`text`), in colours on a terminal unless NO_COLOR is set. `auto` is `text` if standard output is a terminal.",
	}),
} as const;

type Settings = typeof SETTINGS;
export type SettingName = keyof Settings;

/** The relay's configuration: parsed values, with the unit last in their names. */
export type Config = { readonly [Name in SettingName]: ReturnType<Settings[Name]["kind"]["parse"]> };

/** Lists everything that is wrong with the settings. */
export class ConfigError extends Error {
	override readonly name = "ConfigError";
	readonly faults: readonly string[];

	constructor(faults: readonly string[]) {
		super(`The configuration is not valid:\n${faults.map((fault) => `  ${fault}`).join("\n")}`);
		this.faults = faults;
	}
}

/** The typed identity function: it ties `default` and `unset` to the kind's value. */
function setting<Value>(description: Setting<Value>): Setting<Value> {
	return description;
}

const ALL = Object.entries(SETTINGS) as [SettingName, Setting<unknown>][];

/** `RELAY_API_BIND` gives `api-bind`. */
function flagOf(variable: string): string {
	return variable
		.replace(/^RELAY_/, "")
		.toLowerCase()
		.replaceAll("_", "-");
}

/** Flags of a setting, without their dashes. */
function flagsOf({ env: [name], flagAliases = [] }: Setting<unknown>): [string, ...string[]] {
	return [flagOf(name), ...flagAliases];
}

/** The variable that names a file with a secret; null if the setting is none. */
function fileVariableOf({ env: [name], secret }: Setting<unknown>): string | null {
	return secret === true ? `${name}_FILE` : null;
}

/**
 * Reads the configuration. A flag goes before the environment; an empty variable counts as not set.
 * @param args the command line after the command's name
 * @returns the configuration, and warnings of what looks like a mistake
 * @throws ConfigError with every fault
 */
export function loadConfig(
	args: readonly string[],
	env: Readonly<Record<string, string | undefined>>,
	machine: Machine,
): { config: Config; warnings: string[] } {
	const faults: string[] = [];
	const flags = readFlags(args, faults);
	const values: Partial<Record<SettingName, unknown>> = {};
	for (const [name, one] of ALL) {
		const given =
			onlyOne(flags.get(name) ?? [], faults) ?? onlyOne(fromEnvironment(one, env), faults) ?? credentialOf(one, env);
		values[name] = given === null ? unsetValue(one, machine) : parseGiven(one, given, faults);
	}
	if (faults.length === 0) checkTogether(values as Config, faults);
	if (faults.length > 0) throw new ConfigError(faults);
	return { config: Object.freeze(values as Config), warnings: unknownVariables(env) };
}

/** Text that an operator gave for a setting, or the path of the file that has it, and the flag, variable or credential that says so. */
interface Given {
	by: string;
	text: string;
	isPath: boolean;
}

interface KnownFlag {
	name: SettingName;
	one: Setting<unknown>;
	isPath: boolean;
}

const BY_FLAG = new Map<string, KnownFlag>(
	ALL.flatMap(([name, one]): [string, KnownFlag][] => {
		const file = fileVariableOf(one);
		const flags = flagsOf(one).map((flag): [string, KnownFlag] => [flag, { name, one, isPath: false }]);
		return file === null ? flags : [...flags, [flagOf(file), { name, one, isPath: true }]];
	}),
);

/** A secret may be given itself or in a file, but not both. */
function onlyOne([first, second]: readonly Given[], faults: string[]): Given | null {
	if (first !== undefined && second !== undefined)
		faults.push(`${first.by} and ${second.by} are both given: leave one of them out, since only one can count`);
	return first ?? null;
}

/**
 * Reads `--flag value`, `--flag=value` and switches, whose value may be left out. An argument that is no flag is never shown:
 * it may be a password after a mistyped flag.
 */
function readFlags(args: readonly string[], faults: string[]): Map<SettingName, readonly Given[]> {
	const given = new Map<SettingName, readonly Given[]>();
	for (let at = 0; at < args.length; at++) {
		const [, name, inline] = /^--([^=]+)(?:=(.*))?$/s.exec(args[at] ?? "") ?? [];
		if (name === undefined) {
			faults.push(`argument ${at + 1} is neither a flag nor a flag's value; flags begin with two dashes`);
			continue;
		}
		const next = args[at + 1];
		const hasNext = next !== undefined && !next.startsWith("--");
		const known = BY_FLAG.get(name);
		if (known === undefined) {
			faults.push(unknownFlag(name));
			// The next argument was meant as its value.
			if (inline === undefined && hasNext) at++;
			continue;
		}
		const { name: setting, one, isPath } = known;
		const text = inline ?? (hasNext ? next : one.kind.isSwitch ? "true" : "");
		if (inline === undefined && hasNext) at++;
		if (text === "") faults.push(`--${name}: its value is missing; expected ${isPath ? "a path" : one.kind.accepts}`);
		else {
			// The last one of a flag counts.
			const others = (given.get(setting) ?? []).filter((other) => other.isPath !== isPath);
			given.set(setting, [...others, { by: `--${name}`, text, isPath }]);
		}
	}
	return given;
}

function unknownFlag(name: string): string {
	const near = nearest(name, [...BY_FLAG.keys()]);
	const hint =
		near === null
			? "`standpipe serve --help` lists them"
			: `did you mean --${near}? \`standpipe serve --help\` lists them`;
	return `--${name.slice(0, 64)}: there is no such flag; ${hint}`;
}

function fromEnvironment(one: Setting<unknown>, env: Readonly<Record<string, string | undefined>>): Given[] {
	const given = (name: string, isPath: boolean): Given[] => {
		const text = env[name] ?? "";
		return text === "" ? [] : [{ by: name, text, isPath }];
	};
	const file = fileVariableOf(one);
	const direct = one.env.flatMap((name) => given(name, false)).slice(0, 1);
	return file === null ? direct : [...direct, ...given(file, true)];
}

/** A credential that systemd gives the service (`LoadCredential=`): a file with the variable's name, in a folder of the service's own. */
function credentialOf(one: Setting<unknown>, env: Readonly<Record<string, string | undefined>>): Given | null {
	const directory = env["CREDENTIALS_DIRECTORY"] ?? "";
	if (one.secret !== true || directory === "") return null;
	const [name] = one.env;
	const path = join(directory, name);
	return existsSync(path) ? { by: `credential ${name}`, text: path, isPath: true } : null;
}

function unsetValue(one: Setting<unknown>, machine: Machine): unknown {
	return one.default === null ? one.unset?.(machine) : one.kind.parse(one.default);
}

function parseGiven(one: Setting<unknown>, { by, text, isPath }: Given, faults: string[]): unknown {
	const { kind, secret } = one;
	try {
		const value = isPath ? (kind.parseFile ?? kind.parse)(readSecretFile(text)) : kind.parse(text);
		if (!isPath && by.startsWith("--") && secretsIn(one, value).length > 0)
			faults.push(`${by}: ${SECRET_FLAG_FAULT}${namesOf(one).join(" or ")}`);
		return value;
	} catch (error) {
		// Not even the path is shown: it may be the secret itself, given by the wrong name.
		if (error instanceof SecretFileError) faults.push(`${by}: the file ${error.message}`);
		else if (error instanceof RangeError) {
			const shown = isPath ? "what the file has" : secret === true ? "the value" : `"${withoutCredentials(text)}"`;
			faults.push(`${by}: ${shown} is not valid; expected ${error.message || kind.accepts}`);
		} else throw error;
		return undefined;
	}
}

/** The runtime's report of a crash has the command line, and so has the list of processes. */
const SECRET_FLAG_FAULT =
	"a secret is not taken from the command line, which every user of the machine can read, and crash reports show; give it as ";

/** Hides credentials, since a mistyped URL may contain a password. Nothing of a PostgreSQL URL is certain not to be a part of it. */
function withoutCredentials(text: string): string {
	return text
		.replace(/^(postgres(?:ql)?:\/\/).*/is, "$1***")
		.replace(/\/\/.*@/, "//***@")
		.slice(0, 200);
}

function checkTogether(config: Config, faults: string[]): void {
	if (config.replayBytesMax !== null && config.replayBytesMax < 2 * config.segmentBytes)
		faults.push(
			`RELAY_REPLAY_BYTES: ${config.replayBytesMax} is less than two segments, and RELAY_SEGMENT_BYTES is ${config.segmentBytes}`,
		);
	if (config.ingestBufferBytes < config.hostBufferBytes)
		faults.push(
			`RELAY_INGEST_BUFFER_BYTES: ${config.ingestBufferBytes} is less than RELAY_HOST_BUFFER_BYTES, ${config.hostBufferBytes}`,
		);
}

function unknownVariables(env: Readonly<Record<string, string | undefined>>): string[] {
	const known = new Set(ALL.flatMap(([, one]) => namesOf(one)));
	return Object.keys(env)
		.filter((name) => name.startsWith("RELAY_") && !known.has(name))
		.sort()
		.map((name) => {
			const near = nearest(name, [...known]);
			return `${name} is set, but there is no such setting${near === null ? "" : `; did you mean ${near}?`}`;
		});
}

/** All variables of a setting. */
function namesOf(one: Setting<unknown>): string[] {
	const file = fileVariableOf(one);
	return file === null ? [...one.env] : [...one.env, file];
}

/** All flags of a setting, with their dashes. */
function shownFlagsOf(one: Setting<unknown>): string[] {
	const file = fileVariableOf(one);
	const flags = file === null ? flagsOf(one) : [...flagsOf(one), flagOf(file)];
	return flags.map((flag) => `--${flag}`);
}

/** What must not be shown of a configuration, or of the settings of it that a thread has. */
export function secretsOf(config: Partial<Config>): string[] {
	return ALL.flatMap(([name, one]) => {
		const value: unknown = config[name];
		return value === undefined ? [] : secretsIn(one, value);
	});
}

function secretsIn({ kind, secret }: Setting<unknown>, value: unknown): readonly string[] {
	if (secret !== true || value === null) return [];
	return kind.secretsIn?.(value) ?? [String(value)];
}

/** How an error message names a setting: `RELAY_PERSIST_DIR (--persist-dir)`. */
export function settingLabel(name: SettingName): string {
	const one: Setting<unknown> = SETTINGS[name];
	return `${one.env[0]} (--${flagsOf(one)[0]})`;
}

function defaultText(one: Setting<unknown>): string {
	return one.default ?? one.unsetText ?? "none";
}

/** The settings as `--help` shows them. */
export function settingsHelp(): string {
	return ALL.map(([, one]) => {
		const names = `${shownFlagsOf(one).join(", ")}  (${namesOf(one).join(", ")})`;
		return `  ${names}\n      ${one.meaning}\n      Accepts ${one.kind.accepts}. Default: ${defaultText(one)}\n`;
	}).join("\n");
}

/** The settings as a Markdown table, for docs/settings.md. */
export function settingsTable(): string {
	const code = (names: readonly string[]): string => names.map((name) => `\`${name}\``).join(", ");
	const rows = ALL.map(([, one]) => {
		const flags = code(shownFlagsOf(one));
		const byDefault = one.default === null ? defaultText(one) : `\`${one.default}\``;
		return `| ${code(namesOf(one))} | ${flags} | ${byDefault} | ${one.meaning} Accepts ${one.kind.accepts}. |`;
	});
	return ["| variable | flag | default | meaning |", "|---|---|---|---|", ...rows, ""].join("\n");
}
