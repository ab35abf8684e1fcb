import { TURN_BYTES_MAX, WATERMARK_BYTES } from "../../src/fanout/consumer.ts";

/**
 * The least that a replay can cost: sends one and the same frame to every consumer, as fast as each takes it. Argument: the
 * frame's bytes.
 */
const frame = Buffer.alloc(Number(process.argv[2]), 1) as Buffer<ArrayBuffer>;
const turnFrames = Math.ceil(TURN_BYTES_MAX / frame.length);

function send(socket: Bun.ServerWebSocket<undefined>): void {
	if (socket.readyState !== WebSocket.OPEN || socket.getBufferedAmount() >= WATERMARK_BYTES / 2) return;
	socket.cork(() => {
		for (let sent = 0; sent < turnFrames; sent++) socket.sendBinary(frame);
	});
	setImmediate(() => send(socket));
}

const server = Bun.serve({
	hostname: "127.0.0.1",
	port: 0,
	fetch: (request, server) => (server.upgrade(request) ? undefined : new Response("bare")),
	websocket: { open: send, drain: send, message() {}, backpressureLimit: 8 * WATERMARK_BYTES },
});
console.log(server.port);
