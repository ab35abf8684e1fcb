import { expect, test } from "bun:test";
import { BackupReport } from "../../src/backup/report.ts";
import { manifestOf } from "./manifests.ts";

/** What a report writes of a backup and of a restore. */
function reported(format: "text" | "json", isTerminal: boolean): string[] {
	const written: string[] = [];
	const output = {
		isTerminal,
		line: (text: string) => written.push(text) > 0,
		status: (text: string) => void written.push(`~${text}`),
	};
	const report = new BackupReport(format, output, "copied");
	report.step({ phase: "index", bytes: 0, bytesTotal: 0 });
	report.step({ phase: "index", bytes: 4_096, bytesTotal: 4_096 });
	for (const bytes of [0, 500, 1_000, 2_000]) report.step({ phase: "log", bytes, bytesTotal: 2_000 });
	report.saved("/backup", manifestOf());
	report.restored("/backup", { manifest: manifestOf(), used: { lsn: 112, seq: 110 } });
	return written;
}

test("a backup is told in lines, or in one that is replaced, and then what it has and what comes next", () => {
	const told = [
		expect.stringContaining("1 segments of 200 bytes, lsn 1 to 12, up to seq 10"),
		"index: 4,096 bytes, up to lsn 11",
		expect.stringContaining("/backup is a backup now"),
		expect.stringContaining("from the backup of 2023-11-14T22:13:20.000Z, up to seq 10"),
		"the relay goes on with seq 111, since those before may have been used",
		expect.stringContaining("has to be set again"),
	];
	const index = "index copied: 4,096 of 4,096 bytes (100 %)";
	const log = [
		"0 of 2,000 bytes (0 %)",
		"500 of 2,000 bytes (25 %)",
		"1,000 of 2,000 bytes (50 %)",
		"2,000 of 2,000 bytes (100 %)",
	];
	const lines = log.map((text) => `log copied: ${text}`);
	expect(reported("text", false)).toEqual([index, ...lines, ...told]);
	expect(reported("text", true)).toEqual([
		"~index is being copied",
		`~${index}`,
		...lines.map((line) => `~${line}`),
		...told,
	]);
});

test("a program gets one object a line", () => {
	const parts = reported("json", true).map((line) => JSON.parse(line));
	expect(parts.map(({ part, phase, percent }) => [part, phase, percent])).toEqual([
		["progress", "index", 100],
		...[0, 25, 50, 100].map((percent) => ["progress", "log", percent]),
		...[1, 2].map(() => ["done", undefined, undefined]),
	]);
	expect(parts.at(-2)).toMatchObject({ folder: "/backup", lastSeq: 10, segments: 1, logBytes: 200, indexBytes: 4_096 });
	expect(parts.at(-1)).toMatchObject({ seqUsedMax: 110, lsnUsedMax: 112, backupOf: "2023-11-14T22:13:20.000Z" });
});
