import { expect, test } from "bun:test";
import { join } from "node:path";
import { withHeadroom } from "../../src/descriptors/headroom.ts";
import { Libc } from "../../src/descriptors/libc.ts";

const FULL_PROCESS = join(import.meta.dir, "full-process.ts");
const RACING_PROCESS = join(import.meta.dir, "racing-process.ts");

test.skipIf(Libc.open() === null).each([64, 200, 1_000])(
	"at a limit of %d open files the log's reserve is still there, for the log only",
	async (max) => {
		const command = ["sh", "-c", `ulimit -n ${max}; exec "$@"`, "sh", process.execPath, FULL_PROCESS];
		const child = Bun.spawn(command, { stdout: "pipe", stderr: "inherit" });
		const { limit, taken, between, ofReserve } = JSON.parse(await child.stdout.text()) as {
			limit: { soft: number; hard: number };
			taken: number;
			between: number;
			ofReserve: number;
		};
		expect(await child.exited).toBe(0);
		const reserve = Math.min(Math.max(Math.floor(max / 8), 16), 64);
		expect(limit).toEqual({ soft: max - reserve, hard: max });
		expect(taken).toBeGreaterThan(0);
		expect(taken).toBeLessThan(max - reserve);
		expect(between).toBe(0);
		expect(ofReserve).toBe(reserve);
	},
);

test.skipIf(Libc.open() === null)(
	"threads that open files of the reserve at once all get theirs, and the reserve stays",
	async () => {
		const command = ["sh", "-c", `ulimit -n 200; exec "$@"`, "sh", process.execPath, RACING_PROCESS];
		const child = Bun.spawn(command, { stdout: "pipe", stderr: "inherit" });
		const { before, after, failed } = JSON.parse(await child.stdout.text());
		expect(await child.exited).toBe(0);
		expect(before).toEqual({ soft: 175, hard: 200 });
		expect(after).toEqual(before);
		expect(failed).toBe(0);
	},
);

test("what fails for another reason is not tried again", () => {
	let calls = 0;
	const open = (): never => {
		calls++;
		throw Object.assign(new Error("no"), { code: "EACCES" });
	};
	expect(() => withHeadroom(open)).toThrow("no");
	expect(calls).toBe(1);
});
