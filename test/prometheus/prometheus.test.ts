import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { freePort } from "../../src/sim/relay-process.ts";
import { RelayRig, until } from "../relay/rig.ts";
import { readDashboard } from "./dashboard.ts";
import { alertRules, metricsIn, promtool, RULES_PATH } from "./promtool.ts";

const isThere = Bun.which("prometheus") !== null && Bun.which("promtool") !== null;
const skipped = isThere ? "" : " (skipped: there is no Prometheus)";
/** Of accounts' messages. */
const MESSAGES = 25;
/** A relay without a mirror and without a limit of the log has no metrics of them, and one that is well has no alerts. */
const UNSEEN = /plc_mirror|log_size_limit|page_cache|ALERTS/;

const vector = v.object({
	data: v.object({
		result: v.array(v.object({ metric: v.record(v.string(), v.string()), value: v.tuple([v.number(), v.string()]) })),
	}),
});
const ruleStates = v.object({
	data: v.object({
		groups: v.array(
			v.object({
				rules: v.array(
					v.object({ name: v.string(), health: v.string(), state: v.string(), lastError: v.optional(v.string()) }),
				),
			}),
		),
	}),
});
const targets = v.object({
	data: v.object({ activeTargets: v.array(v.object({ health: v.string(), lastError: v.string() })) }),
});

/** A Prometheus that scrapes a relay each second, and evaluates its alerts. */
class Prometheus {
	readonly #port = freePort();
	readonly #directory: string;
	#child: Bun.Subprocess | null = null;

	constructor(directory: string) {
		this.#directory = directory;
	}

	async start(relayPort: number): Promise<void> {
		const config = join(this.#directory, "prometheus.json");
		await Bun.write(
			config,
			JSON.stringify({
				global: { scrape_interval: "1s", evaluation_interval: "1s" },
				rule_files: [RULES_PATH],
				scrape_configs: [{ job_name: "standpipe", static_configs: [{ targets: [`127.0.0.1:${relayPort}`] }] }],
			}),
		);
		const log = Bun.file(join(this.#directory, "prometheus.log"));
		this.#child = Bun.spawn(
			[
				"prometheus",
				`--config.file=${config}`,
				`--storage.tsdb.path=${join(this.#directory, "data")}`,
				`--web.listen-address=127.0.0.1:${this.#port}`,
			],
			{ stdout: log, stderr: log },
		);
	}

	async get<const Schema extends v.GenericSchema>(path: string, schema: Schema): Promise<v.InferOutput<Schema> | null> {
		if (this.#child?.exitCode !== null) throw new Error("Prometheus has ended");
		try {
			return v.parse(schema, await (await fetch(`http://127.0.0.1:${this.#port}/api/v1/${path}`)).json());
		} catch (error) {
			if (error instanceof v.ValiError) throw error;
			return null;
		}
	}

	/** The series of a query now, with their values. */
	async query(promql: string): Promise<{ labels: Record<string, string>; value: number }[]> {
		const answer = await this.get(`query?${new URLSearchParams({ query: promql })}`, vector);
		return answer?.data.result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) })) ?? [];
	}

	async stop(): Promise<void> {
		this.#child?.kill();
		await this.#child?.exited;
	}
}

describe.skipIf(!isThere)(`a real Prometheus${skipped}`, () => {
	let directory: string;
	let prometheus: Prometheus;
	let rig: RelayRig;

	beforeAll(async () => {
		directory = await mkdtemp(join(tmpdir(), "standpipe-prometheus-"));
		rig = await RelayRig.start({ seed: "prometheus", hosts: 2, accounts: 2 });
		prometheus = new Prometheus(directory);
		await prometheus.start(rig.relay.internalPort);
		for (const account of rig.network.accounts)
			for (let at = 0; at < MESSAGES; at++) rig.network.send(account, await account.commit());
	});

	afterAll(async () => {
		await prometheus.stop();
		await rig.stop();
		await rm(directory, { recursive: true, force: true });
	});

	test("scrapes the relay, and sees what has come", async () => {
		await until(
			async () => (await prometheus.query("sum(standpipe_messages_sequenced_total)"))[0]?.value === 2 * MESSAGES,
		);
		const up = await prometheus.get("targets", targets);
		expect(up?.data.activeTargets).toEqual([{ health: "up", lastError: "" }]);
		const [build] = await prometheus.query("standpipe_build_info");
		expect(build).toMatchObject({ value: 1, labels: { job: "standpipe", bun: Bun.version } });
		const perHost = await prometheus.query("sum(standpipe_host_events_total) == sum(standpipe_frames_received_total)");
		expect(perHost.map(({ value }) => value)).toEqual([2 * MESSAGES]);
		expect((await prometheus.query('standpipe_hosts{status="active"}'))[0]?.value).toBe(2);
	});

	test("takes every rule, and finds nothing wrong with a relay that is well", async () => {
		const rules = await alertRules();
		const read = async () =>
			(await prometheus.get("rules", ruleStates))?.data.groups.flatMap((group) => group.rules) ?? [];
		await until(async () => {
			const states = await read();
			return states.length === rules.length && states.every(({ health }) => health !== "unknown");
		});
		const states = await read();
		expect(states.filter(({ health }) => health !== "ok")).toEqual([]);
		// A machine for tests may have few descriptors, no native engine and a full disk. That is for its owner to see.
		const ofMachine = ["StandpipePortableEngine", "StandpipeDiskReserveNear"];
		expect(states.filter(({ name, state }) => state === "firing" && !ofMachine.includes(name))).toEqual([]);
	});

	test("answers every query of the dashboard", async () => {
		const { queries } = await readDashboard();
		for (const { expr } of queries) {
			// Of a network that is well, nothing is above 0 that should not be.
			const query = expr
				.replaceAll("$instance", ".+")
				.replaceAll("$__rate_interval", "1m")
				.replace(/ > 0\b/, "");
			// A query that Prometheus does not take throws. Rates need two scrapes.
			if (UNSEEN.test(query)) await prometheus.query(query);
			else await until(async () => (await prometheus.query(query)).length > 0);
		}
	});

	test("and its tool have nothing to say against the names and texts of the metrics", async () => {
		// Those that the control thread asks the threads for are there once these have answered.
		let text = "";
		await until(async () => {
			text = await (await fetch(`http://127.0.0.1:${rig.relay.internalPort}/metrics`)).text();
			return text.includes("standpipe_memory_bytes{");
		});
		expect(await promtool(["check", "metrics"], text)).toEqual({ code: 0, said: "" });
		const rules = await alertRules();
		// A relay without the mirror has no metrics of it.
		const named = rules.flatMap(({ expr }) => metricsIn(expr)).filter((name) => !name.includes("plc_mirror"));
		expect(named.filter((name) => !new RegExp(`^${name}[ {]`, "m").test(text))).toEqual([]);
	});
});
