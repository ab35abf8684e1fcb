import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { copyIndex } from "../../../src/index/copy/copy.ts";
import { type CopySide, ROWS_PER_PAGE } from "../../../src/index/copy/side.ts";
import { openCopySource, openCopyTarget } from "../../../src/index/open.ts";
import { openPostgresSource, openPostgresTarget } from "../../../src/index/postgres/copy-side.ts";
import { StoreBroken, StoreUnavailable } from "../../../src/index/store-fault.ts";
import { Rng } from "../../../src/sim/rng.ts";
import { sharedPostgres } from "../../sim/postgres.ts";
import { describeWithPostgres } from "../../sim/postgres-programs.ts";
import { atMessage, COMMITTED_UNHEARD, type FaultMoment, PostgresProxy } from "../../sim/postgres-proxy.ts";
import { SchemaPlace } from "../postgres/place.ts";
import * as records from "../records.ts";
import { FilePlace } from "../sqlite/place.ts";
import type { Dump } from "../store-cases.ts";
import { asNewFile } from "./as-new-file.ts";
import { pageSent, rowReceived } from "./moments.ts";

const ROUNDS = 15;
const POLL_MS = 20;
/** The test's patience with a server that is frozen. */
const FROZEN_MS = 500;

let folder: string;
let places = 0;
beforeAll(() => {
	folder = mkdtempSync(join(tmpdir(), "standpipe-copy-faults-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function copy(from: string, to: string): Promise<"copied" | StoreUnavailable | StoreBroken> {
	try {
		const source = await openCopySource(from);
		try {
			const target = await openCopyTarget(to);
			try {
				await copyIndex(source, target, () => {});
			} finally {
				await target.close();
			}
		} finally {
			await source.close();
		}
		return "copied";
	} catch (error) {
		if (error instanceof StoreUnavailable || error instanceof StoreBroken) return error;
		throw error;
	}
}

/** Copies as soon as the server has noticed that the sessions of an earlier copy are gone. */
async function copyAgain(from: string, to: string): Promise<"copied" | StoreUnavailable | StoreBroken> {
	for (;;) {
		const outcome = await copy(from, to);
		if (outcome === "copied" || !outcome.message.includes("is written by another")) return outcome;
		await Bun.sleep(POLL_MS);
	}
}

/** Expects that a copy ends because PostgreSQL does not answer. */
async function expectUnanswered(from: Promise<CopySide>, to: Promise<CopySide>): Promise<void> {
	const [source, target] = [await from, await to];
	const failed = await copyIndex(source, target, () => {}).catch((error: unknown) => error);
	for (const side of [target, source]) await side.close();
	expect(failed).toBeInstanceOf(StoreUnavailable);
	expect(String(failed)).toMatch(/postgres:.* has not answered for/);
}

const newFile = (): FilePlace => new FilePlace(join(folder, `${places++}`, "index.sqlite"));
const urlOf = (place: FilePlace): string => `sqlite://${place.path}`;

describeWithPostgres("a copy over connections that fail", () => {
	let database: string;
	let file: FilePlace;
	let inPostgres: SchemaPlace;
	let expected: Dump;

	beforeAll(async () => {
		database = (await (await sharedPostgres()).newDatabase()).url;
		file = newFile();
		const list = [records.host(1)];
		for (let at = 0; at < 2 * ROWS_PER_PAGE; at++) list.push(records.commit([1, at + 1], `did:plc:${at}`, at));
		const writer = await file.writer();
		await writer.apply(records.sequence(list));
		await writer.store.close();
		asNewFile(file.path);
		expected = await file.dump();
		inPostgres = await SchemaPlace.make(database, "faulty_source");
		expect(await copy(urlOf(file), inPostgres.url)).toBe("copied");
	}, 300_000);

	/** Moments at any of the messages of a copy, and some beyond. */
	function moments(seed: string, messagesMax: number): FaultMoment[] {
		const rng = new Rng(seed);
		return Array.from({ length: ROUNDS }, () =>
			atMessage(rng.int(messagesMax), rng.pick(["before", "after"]), rng.pick(["close", "reset"])),
		);
	}

	test("to PostgreSQL is whole or not there, and is made by the next try", async () => {
		let failed = 0;
		for (const [round, moment] of moments("to", 200).entries()) {
			const target = await SchemaPlace.make(database, `faulty_target_${round}`);
			const proxy = await PostgresProxy.start(target.url);
			void proxy.arm(moment);
			const outcome = await copy(urlOf(file), proxy.url);
			proxy.disarm();
			if (outcome === "copied") expect(await target.dump()).toEqual(expected);
			else {
				failed++;
				expect(outcome.message).toStartWith("postgres://127.0.0.1:");
				const again = await copyAgain(urlOf(file), proxy.url);
				// If the answer to the commit was lost, the rows are there.
				if (again !== "copied") expect(again.message).toContain("holds an index already");
				expect(await target.dump()).toEqual(expected);
			}
			await proxy.tcp.stop();
		}
		expect(failed).toBeGreaterThan(ROUNDS / 4);
	}, 300_000);

	test("from PostgreSQL is whole or not there, and is made by the next try", async () => {
		let failed = 0;
		const proxy = await PostgresProxy.start(inPostgres.url);
		for (const moment of moments("from", 6_000)) {
			const target = newFile();
			void proxy.arm(moment);
			const outcome = await copyAgain(proxy.url, urlOf(target));
			proxy.disarm();
			if (outcome !== "copied") {
				failed++;
				expect(outcome.message).toStartWith("postgres://127.0.0.1:");
				expect(await copyAgain(proxy.url, urlOf(target))).toBe("copied");
			}
			expect(await target.dump()).toEqual(expected);
		}
		await proxy.tcp.stop();
		expect(failed).toBeGreaterThan(ROUNDS / 4);
	}, 300_000);

	test("to PostgreSQL ends if the server does not answer", async () => {
		const target = await SchemaPlace.make(database, "frozen_target");
		const proxy = await PostgresProxy.start(target.url);
		const frozen = proxy.arm({ at: pageSent(1), order: "before", fault: "freeze" });
		await expectUnanswered(openCopySource(urlOf(file)), openPostgresTarget(proxy.url, FROZEN_MS));
		await frozen;
		await proxy.tcp.stop();
	}, 300_000);

	test("from PostgreSQL ends if the server does not answer", async () => {
		const target = newFile();
		const proxy = await PostgresProxy.start(inPostgres.url);
		const frozen = proxy.arm({ at: rowReceived(1_500), order: "before", fault: "freeze" });
		await expectUnanswered(openPostgresSource(proxy.url, FROZEN_MS), openCopyTarget(urlOf(target)));
		await frozen;
		await proxy.tcp.stop();
		expect((await target.dump()).accounts).toEqual([]);
	}, 300_000);

	test("whose commit nobody hears of says so, and is whole", async () => {
		const target = await SchemaPlace.make(database, "unheard_target");
		const { store } = await target.writer();
		await store.close();
		const proxy = await PostgresProxy.start(target.url);
		let commits = 0;
		// The commits before it are those of the start.
		const happened = proxy.arm({
			...COMMITTED_UNHEARD,
			at: (message) => COMMITTED_UNHEARD.at(message) && commits++ >= 1,
		});
		const outcome = await copy(urlOf(file), proxy.url);
		await happened;
		expect(outcome).toBeInstanceOf(StoreUnavailable);
		expect(await target.dump()).toEqual(expected);
		await proxy.tcp.stop();
	}, 300_000);
});
