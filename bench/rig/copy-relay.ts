import WebSocket from "ws";

/** The least that a relay can do: copies each frame from the sockets of some hosts to the socket of one consumer. */
const hostnames = process.argv.slice(2);
const BUFFERED_BYTES_MAX = 1024 * 1024;

let consumer: Bun.ServerWebSocket<undefined> | null = null;
const upstreams = hostnames.map((hostname) => {
	const socket = new WebSocket(`ws://${hostname}/xrpc/com.atproto.sync.subscribeRepos`, { perMessageDeflate: false });
	socket.on("message", (data) => {
		if (!Buffer.isBuffer(data) || consumer === null) return;
		consumer.sendBinary(data as Buffer<ArrayBuffer>);
		if (consumer.getBufferedAmount() >= BUFFERED_BYTES_MAX) for (const upstream of upstreams) upstream.pause();
	});
	return socket;
});
const server = Bun.serve({
	hostname: "127.0.0.1",
	port: 0,
	fetch: (request, server) => (server.upgrade(request) ? undefined : new Response("copy")),
	websocket: {
		backpressureLimit: 16 * BUFFERED_BYTES_MAX,
		open(socket) {
			consumer = socket;
		},
		message() {},
		drain(socket) {
			if (socket.getBufferedAmount() < BUFFERED_BYTES_MAX / 2) for (const upstream of upstreams) upstream.resume();
		},
	},
});
console.log(server.port);
