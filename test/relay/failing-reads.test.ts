import { afterAll, beforeAll, expect, onTestFinished, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expectReceived } from "./expect-received.ts";
import { isIndexed, RelayRig, until } from "./rig.ts";

/**
 * A library to be loaded before the C library. Lets SQLite's reads of the index fail while a file exists, as on a network disk that is
 * gone. (Not with EIO: SQLite calls that a malformed database, and then the relay reads the files without the C library.)
 */
const FAILING_READS = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int fails(int file) {
	const char *switched = getenv("FAIL_READS_WHILE");
	char link[64], path[4096];
	if (switched == NULL || access(switched, F_OK) != 0) return 0;
	snprintf(link, sizeof link, "/proc/self/fd/%d", file);
	ssize_t length = readlink(link, path, sizeof path - 1);
	if (length < 0) return 0;
	path[length] = 0;
	return strstr(path, "index.sqlite") != NULL;
}

#define FAIL_OR(name, ...) \\
	if (fails(file)) { errno = ESTALE; return -1; } \\
	return ((ssize_t (*)()) dlsym(RTLD_NEXT, name))(file, __VA_ARGS__)

ssize_t read(int file, void *bytes, size_t length) { FAIL_OR("read", bytes, length); }
ssize_t pread(int file, void *bytes, size_t length, off_t at) { FAIL_OR("pread", bytes, length, at); }
ssize_t pread64(int file, void *bytes, size_t length, off64_t at) { FAIL_OR("pread64", bytes, length, at); }
`;

/** SQLite's default page size. */
const PAGE_BYTES = 4_096;

const folder = mkdtempSync(join(tmpdir(), "standpipe-reads-"));
const library = join(folder, "failing-reads.so");
const isBuilt = buildLibrary();
if (!isBuilt)
	console.warn("failing-reads.test.ts is skipped: this machine has no C compiler for a library before glibc");

function buildLibrary(): boolean {
	const source = join(folder, "failing-reads.c");
	writeFileSync(source, FAILING_READS);
	if (process.platform !== "linux" || Bun.which("cc") === null) return false;
	return Bun.spawnSync(["cc", "-w", "-shared", "-fPIC", "-o", library, source, "-ldl"]).success;
}

let rig: RelayRig;
const failing = join(folder, "failing");

beforeAll(async () => {
	if (!isBuilt) return;
	rig = await RelayRig.start(
		{ seed: "failing reads", hosts: 2, accounts: 8 },
		{ LD_PRELOAD: library, FAIL_READS_WHILE: failing, RELAY_INGEST_WORKERS: "2" },
	);
});

afterAll(async () => {
	if (isBuilt) await rig.stop();
	rmSync(folder, { recursive: true });
});

test.skipIf(!isBuilt)(
	"an index that can't be read is waited for: messages of accounts that need it come later, in order, and no thread ends",
	async () => {
		const { network, relay, consumer } = rig;
		const [early, ...late] = network.accounts;
		if (early === undefined) throw new Error("no accounts");
		network.send(early, await early.commit());
		await until(() => rig.received(early.did).length === 1);
		for (let round = 0; round < 2; round++) {
			await until(async () => isIndexed((await rig.stats()).log));
			writeFileSync(failing, "");
			// What needs no read of the index goes on.
			network.send(early, await early.commit());
			await until(() => rig.received(early.did).length === rig.expected(early.did).length);
			for (let i = 0; i < 3; i++) for (const account of late) network.send(account, await account.commit());
			if (round === 0) {
				await until(async () => (await relay.fault())?.includes("the index can't be read") === true);
				expect((await rig.stats()).counters.of("index_reads_stalled")).toBeGreaterThan(0);
				expect(late.flatMap(({ did }) => rig.received(did))).toEqual([]);
			}
			rmSync(failing);
			await expectReceived(rig, network.accounts);
			await until(async () => (await relay.fault()) === null);
		}
		const { counters, rejected } = await rig.stats();
		expect(counters.of("index_reads_stalled")).toBe(0);
		expect(counters.of("index_reads_stalls_total")).toBeGreaterThan(0);
		expect(Object.values(rejected).every((count) => count === 0)).toBe(true);
		expect(consumer.orderViolations).toBe(0);
		expect(await relay.stop()).toBe(0);
	},
	300_000,
);

test("a damaged index is not waited for: the start ends and says so", async () => {
	const damaged = await RelayRig.start({ seed: "damaged index", hosts: 1, accounts: 2 });
	const { relay, network } = damaged;
	onTestFinished(() => damaged.stop());
	await network.burst(20);
	await until(async () => (await damaged.stats()).log.appliedLsn >= 20);
	// After a clean stop the database is one file. Its first page stays as it is, so that it is still a database of this version.
	expect(await relay.stop()).toBe(0);
	const index = readFileSync(relay.indexPath);
	writeFileSync(relay.indexPath, index.fill(0xa5, PAGE_BYTES));
	await expect(relay.start()).rejects.toThrow("the relay ended with code");
	expect(await relay.exited()).not.toBe(0);
	const lines = (await Bun.file(relay.logPath).text()).trim().split("\n");
	expect(lines.at(-1)).toContain(`DATABASE_URL (--database-url): ${relay.indexPath} is a damaged SQLite database`);
}, 300_000);
