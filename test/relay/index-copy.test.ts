import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asNewFile } from "../index/copy/as-new-file.ts";
import { pageSent, rowReceived } from "../index/copy/moments.ts";
import { SchemaPlace } from "../index/postgres/place.ts";
import * as records from "../index/records.ts";
import { FilePlace } from "../index/sqlite/place.ts";
import { sharedPostgres } from "../sim/postgres.ts";
import { describeWithPostgres } from "../sim/postgres-programs.ts";
import { PostgresProxy } from "../sim/postgres-proxy.ts";
import { expectReceived } from "./expect-received.ts";
import { isIndexed, RELAY_COMMAND, RelayRig, until } from "./rig.ts";

const [program = "", ...rest] = RELAY_COMMAND;
const COPY = [program, ...rest.slice(0, -1), "index", "copy"];

let folder: string;
let places = 0;
beforeAll(() => {
	folder = mkdtempSync(join(tmpdir(), "standpipe-index-copy-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const newFile = (): string => join(folder, `${places++}`, "index.sqlite");

interface Run {
	code: number;
	out: string;
	err: string;
}

async function run(...args: string[]): Promise<Run> {
	const child = Bun.spawn([...COPY, ...args], { stdout: "pipe", stderr: "pipe" });
	const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
	return { code, out, err };
}

const copy = (from: string, to: string, ...more: string[]): Promise<Run> => run("--from", from, "--to", to, ...more);

/** Checks that a copy is refused with this reason, in one line. */
async function expectRefused(from: string, to: string, reason: string): Promise<void> {
	const { code, out, err } = await copy(from, to);
	expect({ code, out }).toEqual({ code: 1, out: "" });
	expect(err).toContain(reason);
	expect(err.trimEnd().split("\n")).toHaveLength(1);
}

/** Writes an index with this many accounts. */
async function fill(place: FilePlace, accounts: number): Promise<void> {
	const list = [records.host(1)];
	for (let at = 0; at < accounts; at++) list.push(records.commit([1, at + 1], `did:plc:${at}`, at));
	const writer = await place.writer();
	await writer.apply(records.sequence(list));
	await writer.store.close();
	asNewFile(place.path);
}

test("a mistyped command gets code 2 and a sentence, and no password is shown", async () => {
	const file = `sqlite://${newFile()}`;
	for (const args of [
		[],
		["--from", file],
		["--to", file],
		["--from", file, "--to", file, "--jsom"],
		["--from", file, "--to", file, "more"],
	]) {
		const { code, out, err } = await run(...args);
		expect({ code, out }).toEqual({ code: 2, out: "" });
		expect(err).toStartWith("error: ");
		expect(err).not.toContain(file);
	}
	for (const url of ["mysql://relay:secret@db/relay", "postgres://relay:secret@db", "/relay:secret@db", "sqlite://"]) {
		for (const [from, to] of [
			[url, file],
			[file, url],
		]) {
			const { code, out, err } = await copy(from ?? "", to ?? "");
			expect({ code, out }).toEqual({ code: 2, out: "" });
			expect(err).toStartWith(url === from ? "--from: expected " : "--to: expected ");
			expect(err).not.toContain("secret");
		}
	}
	expect(existsSync(file.slice("sqlite://".length))).toBe(false);
});

test("what is no index, or can't be reached, gets a sentence and code 1, and nothing is made", async () => {
	const [file, target] = [newFile(), newFile()];
	const place = new FilePlace(file);
	await fill(place, 3);
	const text = join(folder, "text");
	await Bun.write(text, "no database\n".repeat(1_000));
	await expectRefused(`sqlite://${join(folder, "absent")}`, `sqlite://${target}`, "unable to open");
	await expectRefused(`sqlite://${text}`, `sqlite://${target}`, "not a database");
	await expectRefused(`sqlite://${folder}`, `sqlite://${target}`, "unable to open");
	await expectRefused("postgres://nobody:secret@127.0.0.1:1/none", `sqlite://${target}`, "postgres://127.0.0.1:1/none");
	expect(existsSync(target)).toBe(false);
	await expectRefused(`sqlite://${file}`, `sqlite://${text}`, "not a database");
	await expectRefused(`sqlite://${file}`, `sqlite://${join(text, "index.sqlite")}`, text);
	await expectRefused(`sqlite://${file}`, `sqlite://${file}`, "is both the source and the target");
});

test("progress comes in lines, as text or JSON, and then what was copied", async () => {
	const [file, first, second] = [newFile(), newFile(), newFile()];
	await fill(new FilePlace(file), 5_000);
	const text = await copy(`sqlite://${file}`, `sqlite://${first}`);
	expect({ code: text.code, err: text.err }).toEqual({ code: 0, err: "" });
	expect(text.out).toContain("copied 1,001 of 5,001 rows (20 %)\n");
	expect(text.out).toContain("checked 5,001 of 5,001 rows (100 %)\ncopied and checked: host 1, account 5,000,");
	const json = await copy(`sqlite://${file}`, `sqlite://${second}`, "--json");
	const parts = json.out
		.trimEnd()
		.split("\n")
		.map((line) => JSON.parse(line));
	const progress = parts.slice(0, -1).map(({ part, phase, percent }) => `${part} ${phase} ${percent}`);
	expect(progress).toEqual(
		["copy", "check"].flatMap((phase) => [0, 20, 40, 60, 80, 100].map((at) => `progress ${phase} ${at}`)),
	);
	expect(parts.at(-1)).toMatchObject({
		part: "done",
		from: file,
		to: second,
		rows: { host: 1, account: 5_000, identity: 0 },
		checkpoint: 5_001,
		hostIdMax: 1,
	});
	expect(await new FilePlace(second).dump()).toEqual(await new FilePlace(file).dump());
});

describeWithPostgres("with PostgreSQL", () => {
	let database: string;
	beforeAll(async () => {
		database = (await (await sharedPostgres()).newDatabase()).url;
	}, 300_000);

	test("a relay goes on from the checkpoint of a copy of its index, in PostgreSQL and back, and loses nothing", async () => {
		const rig = await RelayRig.start({ seed: "moving", hosts: 2, accounts: 6 });
		const { network, relay, consumer } = rig;
		const send = async (): Promise<void> => {
			for (const account of network.accounts) {
				network.send(account, await account.commit());
				network.send(account, account.account(true));
			}
			await expectReceived(rig, network.accounts);
			await until(async () => isIndexed((await rig.stats()).log));
		};
		const home = `sqlite://${relay.indexPath}`;
		const places = [(await SchemaPlace.make(database, "moved")).url, `sqlite://${newFile()}`];
		try {
			await send();
			let from = home;
			for (const to of places) {
				await expectRefused(from, to, "stop the relay first");
				await expectRefused(`sqlite://${newFile()}`, from, "unable to open");
				await consumer.disconnect();
				expect(await relay.stop()).toBe(0);
				expect(await copy(from, to)).toMatchObject({ code: 0, err: "" });
				await relay.start({ DATABASE_URL: to });
				await consumer.connect();
				await until(() => network.hosts.every((host) => host.connections > 0));
				await send();
				from = to;
			}
			expect(Object.values((await rig.stats()).rejected).filter((count) => count > 0)).toEqual([]);
		} finally {
			await rig.stop();
		}
	}, 600_000);

	test("a copy that is killed half way leaves the target empty, and can be made again", async () => {
		const source = new FilePlace(newFile());
		await fill(source, 20_000);
		const inPostgres = await SchemaPlace.make(database, "killed_source");
		await copy(`sqlite://${source.path}`, inPostgres.url);
		const expected = await source.dump();
		expect(await inPostgres.dump()).toEqual(expected);

		// The copy hangs in the middle, since the way to PostgreSQL freezes.
		for (const direction of ["to", "from"] as const) {
			const target = direction === "to" ? await SchemaPlace.make(database, "killed_target") : new FilePlace(newFile());
			const proxy = await PostgresProxy.start(direction === "to" ? urlOf(target) : inPostgres.url);
			const frozen = proxy.arm({
				at: direction === "to" ? pageSent(5) : rowReceived(7_500),
				order: "before",
				fault: "freeze",
			});
			const [from, to] = direction === "to" ? [`sqlite://${source.path}`, proxy.url] : [proxy.url, urlOf(target)];
			const child = Bun.spawn([...COPY, "--from", from, "--to", to, "--json"], { stdout: "pipe", stderr: "inherit" });
			await frozen;
			child.kill("SIGKILL");
			await child.exited;
			await proxy.tcp.stop();
			const { hosts, accounts, checkpoint } = await target.dump();
			expect({ hosts, accounts, checkpoint }).toEqual({ hosts: [], accounts: [], checkpoint: 0 });
			const again = direction === "to" ? `sqlite://${source.path}` : inPostgres.url;
			expect(await copy(again, urlOf(target))).toMatchObject({ code: 0, err: "" });
			expect(await target.dump()).toEqual(expected);
		}
	}, 300_000);
});

function urlOf(place: SchemaPlace | FilePlace): string {
	return place instanceof SchemaPlace ? place.url : `sqlite://${place.path}`;
}
