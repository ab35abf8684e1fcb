import { expect, test } from "bun:test";
import { SEGMENT_HEADER_BYTES } from "../../../../src/log/local/segment/segment.ts";
import type { LogWriterOptions } from "../../../../src/log/local/write/log-writer.ts";
import { Rng } from "../../../../src/sim/rng.ts";
import { labels, readAll, TestLog, temporaryDirectory } from "../../harness.ts";
import { MemoryFs } from "../memory-fs.ts";

const NAMES = ["a", "b", "c", "d"];
const TAIL_BYTES = 3_000;

/** A log of one segment that was killed: its files, the segment's path, and where its records end. */
interface Killed {
	directory: string;
	fs: MemoryFs;
	path: string;
	end: number;
}

function killedLog(names: readonly string[], changes: Partial<LogWriterOptions> = {}): Killed {
	const directory = temporaryDirectory();
	const fs = new MemoryFs();
	const log = new TestLog(directory, fs, changes);
	for (const name of names) log.appendLabels([name]);
	log.kill();
	const left = fs.afterKill();
	const path = [...left.files.keys()].find((path) => path.endsWith(".seg")) ?? "";
	return { directory, fs: left, path, end: left.content(path).length };
}

/** What may stand in a segment's file after its records, if that was prepared or was another segment's. */
const TAILS: Readonly<Record<string, () => Buffer>> = {
	zeros: () => Buffer.alloc(TAIL_BYTES),
	"older records": () => oldSegment(1).subarray(-TAIL_BYTES),
	// The epoch alone tells them from ours.
	"records with greater numbers": () => oldSegment(1_000_000).subarray(-TAIL_BYTES),
	"a whole other segment": () => oldSegment(1_000_000).subarray(0, TAIL_BYTES),
	noise: () => {
		const rng = new Rng("prepared-tail");
		return Buffer.from(Array.from({ length: TAIL_BYTES }, () => rng.int(256)));
	},
};

function oldSegment(initialSeq: number): Buffer {
	const killed = killedLog(labels("old", 40), { initialSeq });
	return killed.fs.content(killed.path);
}

/** What a start makes of a segment with this content, and goes on from. */
function started({ directory, fs, path }: Killed, content: Buffer): unknown[] {
	const changed = fs.afterKill();
	changed.put(path, content);
	const log = new TestLog(directory, changed);
	const found = [readAll(log.reader()), log.count("log_gaps_total"), log.position.snapshot()];
	const left = changed.content(path).length;
	log.appendLabels(["next"]);
	found.push(readAll(log.reader()));
	log.kill();
	const again = new TestLog(directory, changed.afterKill());
	found.push(readAll(again.reader()), again.count("log_gaps_total"));
	again.kill();
	return [...found, left];
}

const TAIL_COUNT = Object.keys(TAILS).length;

/** The next place to try: every one near the records' end; before it each tail tries places of its own, and all together every one. */
function after(at: number, end: number): number {
	if (at < end) return Math.min(at + TAIL_COUNT, end);
	return at + (at < end + 200 ? 1 : 97);
}

for (const [index, [name, makeTail]] of Object.entries(TAILS).entries()) {
	test(`${name} after the records of a segment, cut at every byte: as if nothing was there`, () => {
		const tail = makeTail();
		const killed = killedLog(NAMES);
		const bare = killed.fs.content(killed.path);
		const content = Buffer.concat([bare, tail]);
		const expected = started(killed, bare);
		for (let cut = killed.end; cut <= content.length; cut = after(cut, killed.end)) {
			expect(started(killed, content.subarray(0, cut))).toEqual(expected);
		}
	});

	test(`${name} after the records of a segment, a byte flipped anywhere: as if nothing was there`, () => {
		const tail = makeTail();
		const killed = killedLog(NAMES);
		const bare = killed.fs.content(killed.path);
		for (let at = index; at < killed.end + TAIL_BYTES; at = after(at, killed.end)) {
			const flipped = Buffer.concat([bare, tail]);
			flipped.writeUInt8(flipped.readUInt8(at) ^ (1 << (at & 7)), at);
			expect({ at, is: started(killed, flipped) }).toEqual({
				at,
				is: started(killed, flipped.subarray(0, killed.end)),
			});
		}
	});

	// In mode `write` no note says where the records end.
	test.each(["always", "write"] as const)(
		`mode %s: ${name} in the place of records that a power cut took: as if nothing was there`,
		(syncMode) => {
			const tail = makeTail();
			const killed = killedLog(NAMES, { syncMode });
			const bare = killed.fs.content(killed.path);
			for (let kept = SEGMENT_HEADER_BYTES + index; kept <= killed.end; kept = after(kept, killed.end)) {
				// Whatever the disk has of the file's old bytes stands where the records were.
				const torn = Buffer.concat([bare.subarray(0, kept), tail]);
				// Some of these bytes may by chance be the same as the records'.
				const same = bare.findIndex((byte, at) => byte !== torn[at]);
				const left = bare.subarray(0, same === -1 ? bare.length : same);
				expect({ kept, is: started(killed, torn) }).toEqual({ kept, is: started(killed, left) });
			}
		},
	);
}
