/**
 * The least that a fan-out can do: it sends the same frames to every socket, corked, as fast as each socket takes them. It has
 * no log, no cursors and no limits, and does not look for slow consumers.
 */
import { BACKPRESSURE_BYTES_MAX, TURN_BYTES_MAX, WATERMARK_BYTES } from "../../src/fanout/consumer.ts";

declare const self: Worker;

export interface BareFanoutOptions {
	port: number;
	frameBytes: number;
	/** Bytes of frames that are sent again and again. */
	framesBytes: number;
}

const SLICE_MS = 5;

self.onmessage = ({ data: options }: MessageEvent<BareFanoutOptions>) => {
	const { frameBytes, framesBytes } = options;
	const memory = Buffer.alloc(framesBytes, 0x61);
	const frames = Array.from({ length: Math.floor(framesBytes / frameBytes) }, (_, index) =>
		memory.subarray(index * frameBytes, (index + 1) * frameBytes),
	);
	const framesPerTurn = Math.ceil(TURN_BYTES_MAX / frameBytes);
	const ready = new Set<Bun.ServerWebSocket<{ at: number }>>();
	let isScheduled = false;

	function send(socket: Bun.ServerWebSocket<{ at: number }>): void {
		socket.cork(() => {
			for (let sent = 0; sent < framesPerTurn; sent++) {
				const status = socket.sendBinary(frames[socket.data.at] as Buffer<ArrayBuffer>);
				socket.data.at = (socket.data.at + 1) % frames.length;
				if (status < 0 && socket.getBufferedAmount() >= WATERMARK_BYTES) {
					ready.delete(socket);
					return;
				}
			}
		});
	}

	function schedule(): void {
		if (isScheduled || ready.size === 0) return;
		isScheduled = true;
		setImmediate(() => {
			isScheduled = false;
			const endMs = performance.now() + SLICE_MS;
			for (const socket of ready) {
				ready.delete(socket);
				ready.add(socket);
				send(socket);
				if (performance.now() >= endMs) break;
			}
			schedule();
		});
	}

	Bun.serve<{ at: number }>({
		hostname: "127.0.0.1",
		port: options.port,
		fetch: (request, server) => (server.upgrade(request, { data: { at: 0 } }) ? undefined : new Response()),
		websocket: {
			backpressureLimit: BACKPRESSURE_BYTES_MAX,
			idleTimeout: 0,
			sendPings: false,
			open(socket) {
				ready.add(socket);
				schedule();
			},
			message() {},
			drain(socket) {
				if (socket.getBufferedAmount() >= WATERMARK_BYTES / 2) return;
				ready.add(socket);
				schedule();
			},
			close: (socket) => void ready.delete(socket),
		},
	});
	self.postMessage("ready");
};
