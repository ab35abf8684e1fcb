import { expect, test } from "bun:test";
import { CopyReport } from "../../../src/index/copy/report.ts";

const COPIED = { checkpoint: 7, hostIdMax: 2, logId: "a-log", rows: { host: 2, account: 12_345 } };

/** What a report writes of a copy of this many rows, which are reported one by one. */
function reported(format: "text" | "json", isTerminal: boolean, rowsTotal: number): string[] {
	const written: string[] = [];
	const output = {
		isTerminal,
		line: (text: string) => written.push(text) > 0,
		status: (text: string) => void written.push(`~${text}`),
	};
	const report = new CopyReport(format, output);
	for (const phase of ["copy", "check"] as const)
		for (let rows = 1; rows <= rowsTotal; rows++) report.step({ phase, rows, rowsTotal });
	report.done(COPIED, "here", "there");
	return written;
}

test("on a terminal one line shows each percent, elsewhere a line comes for each ten", () => {
	const onTerminal = reported("text", true, 2_000);
	expect(onTerminal.filter((text) => text.startsWith("~")).length).toBe(2 * 101);
	expect(onTerminal[100]).toBe("~copied 2,000 of 2,000 rows (100 %)");
	const inFile = reported("text", false, 2_000);
	expect(inFile.filter((text) => text.includes("%")).length).toBe(2 * 11);
	expect(inFile.some((text) => text.startsWith("~"))).toBe(false);
	expect(inFile.at(-3)).toBe("copied and checked: host 2, account 12,345");
	expect(inFile.at(-2)).toContain("there is now what here is: the index of the log a-log, up to lsn 7");
});

test("as JSON every line is an object, on a terminal too", () => {
	const parts = reported("json", true, 100).map((line) => JSON.parse(line));
	expect(parts.length).toBe(2 * 11 + 1);
	expect(parts[0]).toEqual({ part: "progress", phase: "copy", rows: 1, rowsTotal: 100, percent: 1 });
	expect(parts.at(-1)).toEqual({ part: "done", from: "here", to: "there", ...COPIED });
});
