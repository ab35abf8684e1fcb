import { afterEach, beforeEach, expect, test } from "bun:test";
import { ExportStream } from "../../src/plc/export-stream.ts";
import { LINE_BYTES_MAX } from "../../src/plc/line.ts";
import { FakeTiming } from "../sim/fake-timing.ts";

const PING_INTERVAL_MS = 10_000;
const WALL_MS = 1_700_000_000_000;

let server: Bun.Server<undefined>;
let sockets: Bun.ServerWebSocket<undefined>[];
let asked: string[];
let isRefused: boolean;
let streams: ExportStream[];

beforeEach(() => {
	sockets = [];
	asked = [];
	streams = [];
	isRefused = false;
	server = Bun.serve({
		hostname: "127.0.0.1",
		port: 0,
		fetch(request, self) {
			const url = new URL(request.url);
			asked.push(`${url.pathname}${url.search}`);
			if (!isRefused && self.upgrade(request)) return;
			return new Response("no", { status: 404 });
		},
		websocket: {
			open: (socket) => void sockets.push(socket),
			message: () => {},
		},
	});
});

afterEach(() => {
	for (const stream of streams) stream.close();
	server.stop(true);
});

interface Rig {
	stream: ExportStream;
	timing: FakeTiming;
	/** Waits until the stream has changed and `condition` holds. */
	until(condition: () => boolean): Promise<void>;
}

function open(): Rig {
	const timing = new FakeTiming();
	let changed = Promise.withResolvers<void>();
	const stream = new ExportStream({
		directory: server.url.origin,
		seq: 17,
		userAgent: "relay/1",
		clock: () => WALL_MS + timing.nowMs(),
		timing,
		onChange: () => changed.resolve(),
	});
	streams.push(stream);
	const until = async (condition: () => boolean): Promise<void> => {
		while (!condition()) {
			await Promise.race([changed.promise, Bun.sleep(5)]);
			changed = Promise.withResolvers();
		}
	};
	return { stream, timing, until };
}

async function opened(): Promise<Rig> {
	const rig = open();
	await rig.until(() => sockets.length > 0 && rig.stream.wasOpen);
	return rig;
}

test("lines come after the seq that was asked for, until the directory ends the stream", async () => {
	const { stream, until } = await opened();
	expect(asked).toEqual(["/export/stream?cursor=17"]);
	sockets[0]?.send('{"seq":18}');
	sockets[0]?.send('{"seq":19}');
	const lines: string[] = [];
	await until(() => {
		lines.push(...stream.take().lines.map(({ text }) => text));
		return lines.length === 2;
	});
	expect(lines).toEqual(['{"seq":18}', '{"seq":19}']);
	sockets[0]?.close(1000, "FutureCursor");
	await until(() => stream.ended !== null);
	expect(stream.ended).toBe("closed with 1000 FutureCursor");
});

test("an answered ping says up to when nothing else has been accepted", async () => {
	const { stream, timing, until } = await opened();
	let completeMs: number | null = null;
	const isComplete = (): boolean => {
		completeMs = stream.take().completeMs ?? completeMs;
		return completeMs !== null;
	};
	await until(isComplete);
	const first = completeMs;
	completeMs = null;
	timing.pass(PING_INTERVAL_MS);
	await until(isComplete);
	expect((completeMs ?? 0) - (first ?? 0)).toBe(PING_INTERVAL_MS);
});

test("a message that is too long ends the stream, and a binary one is no line", async () => {
	const { stream, until } = await opened();
	sockets[0]?.send(Buffer.from("bytes"));
	const lines: string[] = [];
	await until(() => {
		lines.push(...stream.take().lines.map(({ text }) => text));
		return lines.length === 1;
	});
	expect(lines).toEqual([""]);
	sockets[0]?.send("x".repeat(LINE_BYTES_MAX + 1));
	await until(() => stream.ended !== null);
});

test("a directory without a stream, or that is gone, ends it before it was open", async () => {
	isRefused = true;
	const refused = open();
	await refused.until(() => refused.stream.ended !== null);
	expect(refused.stream.wasOpen).toBe(false);
	server.stop(true);
	const gone = open();
	await gone.until(() => gone.stream.ended !== null);
	expect(gone.stream.wasOpen).toBe(false);
});

test("what is not taken is not read on, and comes when it is taken", async () => {
	const { stream, until } = await opened();
	const line = "l".repeat(60_000);
	const count = 200;
	for (let at = 0; at < count; at++) sockets[0]?.send(line);
	await until(() => !stream.isEmpty);
	// However long nobody takes them, no more lines are kept than the limit allows.
	await Bun.sleep(200);
	let taken = stream.take().lines.length;
	expect(taken).toBeLessThan(count / 2);
	await until(() => {
		taken += stream.take().lines.length;
		return taken === count;
	});
	expect(stream.ended).toBeNull();
});
