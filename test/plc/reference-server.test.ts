import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Counters } from "../../src/observe/counters.ts";
import { fetchPage } from "../../src/plc/export-page.ts";
import { ExportStream } from "../../src/plc/export-stream.ts";
import { MirrorFollower } from "../../src/plc/follower.ts";
import { Mirror } from "../../src/plc/mirror.ts";
import { RotationKeys } from "../../src/plc/rotation-keys.ts";
import { openSqliteMirror, openSqliteMirrorReader } from "../../src/plc/sqlite/store.ts";
import type { PlcStep } from "../../src/sim/plc-operation.ts";
import { selectSignatureCheck } from "../../src/verify/signature-check.ts";
import { Child } from "../network/child.ts";
import { until } from "../network/until.ts";
import { counted, countedBy } from "../observe/counted.ts";
import { sharedPostgres } from "../sim/postgres.ts";
import { findPostgres } from "../sim/postgres-programs.ts";
import { type History, make, oracleNode } from "./oracle.ts";

const DEADLINE_MS = 120_000;
const SETUP_MS = 300_000;
const SETS = 4;
const NAMES = ["updates", "recovery", "lateRecovery", "tombstone", "nullifiedTombstone", "legacy"];

const found = oracleNode();
const missing = typeof found === "string" ? found : typeof findPostgres() === "string" ? String(findPostgres()) : null;
if (missing !== null) describe.skip(`beside the reference directory (skipped: ${missing})`, () => follow(""));
else describe("beside the reference directory", () => follow(typeof found === "string" ? "" : found.node));

type Posted = PlcStep & { did: string };

/** The tests run in order, on one directory and one mirror. */
function follow(node: string): void {
	const folder = mkdtempSync(join(tmpdir(), "standpipe-plc-"));
	const path = join(folder, "plc-mirror.sqlite");
	let server: Child;
	let origin = "";
	let nowMs = 0;
	let histories: History[] = [];
	let steps: Posted[] = [];
	let accepted = 0;

	beforeAll(async () => {
		const { url } = await (await sharedPostgres()).newDatabase();
		let port = 0;
		server = new Child({
			name: "plc",
			command: [node, join(import.meta.dir, "..", "network", "plc-postgres.mjs")],
			env: { LOG_ENABLED: "0", DATABASE_URL: url },
			onLine: (line) => {
				port = (JSON.parse(line) as { port: number }).port;
			},
		});
		await until(
			"the directory",
			DEADLINE_MS,
			() => port !== 0 || (server.isGone && Promise.reject(new Error(server.log))),
		);
		origin = `http://127.0.0.1:${port}`;
		const names = Array.from({ length: SETS }, () => NAMES).flat();
		histories = await make(node, names);
		// Each at a millisecond of its own, and all mixed by time.
		steps = histories
			.flatMap(({ did, steps }, at) => steps.map((step) => ({ ...step, did, createdAtMs: step.createdAtMs + at })))
			.sort((a, b) => a.createdAtMs - b.createdAtMs);
	}, SETUP_MS);

	afterAll(async () => {
		await server?.stop();
		rmSync(folder, { recursive: true, force: true });
	}, SETUP_MS);

	async function post(url: string, body: unknown): Promise<boolean> {
		const headers = { "content-type": "application/json" };
		const response = await fetch(`${origin}${url}`, { method: "POST", headers, body: JSON.stringify(body) });
		return response.ok;
	}

	/** What people do at the directory, in its time. */
	async function act(some: readonly Posted[]): Promise<void> {
		for (const { did, operation, createdAtMs } of some) {
			nowMs = createdAtMs;
			await post("/test/clock", nowMs);
			const isLegacy = operation["type"] === "create";
			if (await post(isLegacy ? `/test/legacy/${did}` : `/${did}`, operation)) accepted++;
		}
		await post("/test/clock", nowMs);
	}

	/** Follows the directory until the mirror has as much as the directory has accepted, and stops. */
	async function mirror(operations: number): Promise<Counters> {
		const counters = new Counters();
		const store = await openSqliteMirror(path);
		const keys = new RotationKeys(selectSignatureCheck("auto"));
		const clock = (): number => nowMs;
		const opened = await Mirror.open({ store, directory: origin, keys, counters, clock });
		const options = { directory: origin, userAgent: "relay/1", clock };
		const { signal } = new AbortController();
		const follower = new MirrorFollower({
			mirror: opened,
			directory: {
				page: (after) => fetchPage(after, { ...options, signal }),
				stream: (seq, onChange) => new ExportStream({ ...options, seq, onChange }),
			},
			counters,
			clock,
			sleep: () => Bun.sleep(2),
		});
		const running = follower.run();
		await until(
			`${operations} operations`,
			DEADLINE_MS,
			() => {
				return counted(counters).of("plc_mirror_operations_total") >= operations;
			},
			() => countedBy(counters, "plc_mirror_refused_total"),
		);
		follower.stop();
		await running;
		await store.close();
		return counters;
	}

	async function expectAgreement(): Promise<void> {
		const reader = await openSqliteMirrorReader(path);
		for (const { did } of histories) {
			const response = await fetch(`${origin}/${did}/data`);
			const mirrored = await reader.find(did);
			if (!response.ok) {
				expect({ did, ...mirrored?.data }).toEqual({ did, tombstoned: true, signingKey: null, pds: null });
				continue;
			}
			const said = (await response.json()) as {
				verificationMethods: { atproto: string };
				services: { atproto_pds: { endpoint: string } };
			};
			expect({ did, ...mirrored?.data }).toEqual({
				did,
				tombstoned: false,
				signingKey: said.verificationMethods.atproto,
				pds: said.services.atproto_pds.endpoint,
			});
		}
		await reader.close();
	}

	test(
		"rotations, recoveries, tombstones and first forms are mirrored, in two parts with a restart between them",
		async () => {
			const half = Math.floor(steps.length / 2);
			await act(steps.slice(0, half));
			const first = await mirror(accepted);
			expect(countedBy(first, "plc_mirror_refused_total")).toEqual({});
			const before = accepted;
			await act(steps.slice(half));
			const second = await mirror(accepted - before);
			// The line at which it went on comes once more.
			expect(countedBy(second, "plc_mirror_refused_total")).toEqual({ repeated: 1 });
			// The directory has refused late recoveries, and what came after them and after tombstones.
			expect(steps.length - accepted).toBe(3 * SETS);
			await expectAgreement();
		},
		SETUP_MS,
	);

	test(
		"what was mirrored is there when the directory is gone",
		async () => {
			await server.stop();
			const reader = await openSqliteMirrorReader(path);
			for (const { did } of histories) expect(await reader.find(did)).not.toBeNull();
			await reader.close();
		},
		SETUP_MS,
	);
}
