/**
 * Hosts that answer `describeServer` and the handshake, and then say nothing. A process of their own, so that their cost is not counted
 * as the relay's. Arguments: how many, and `tls` or `plain`. Prints their ports, as JSON, on one line.
 */
import { LOCALHOST_CERTIFICATE, LOCALHOST_KEY } from "./localhost-certificate.ts";

const [count, kind] = process.argv.slice(2);
const tls = kind === "tls" ? { tls: { key: LOCALHOST_KEY, cert: LOCALHOST_CERTIFICATE } } : {};

const ports = Array.from({ length: Number(count) }, () => {
	const server = Bun.serve({
		hostname: "127.0.0.1",
		port: 0,
		...tls,
		fetch(request, server) {
			if (server.upgrade(request)) return undefined;
			return Response.json({ did: "did:web:localhost", availableUserDomains: [] });
		},
		websocket: { message() {}, idleTimeout: 960, sendPings: false },
	});
	return server.port;
});
console.log(JSON.stringify(ports));
