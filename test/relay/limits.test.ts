import { afterAll, beforeAll, expect, test } from "bun:test";
import WebSocket from "ws";
import { SimPlc } from "../../src/sim/plc.ts";
import { RelayProcess } from "../../src/sim/relay-process.ts";
import { RELAY_COMMAND, until } from "./rig.ts";

const WORKERS = 2;
const CONSUMERS_MAX = 40;
const PER_IP_MAX = 25;

const plc = new SimPlc();
let relay: RelayProcess;

beforeAll(async () => {
	plc.start();
	relay = await RelayProcess.create({
		command: RELAY_COMMAND,
		plcUrl: plc.url,
		env: {
			RELAY_FANOUT_WORKERS: String(WORKERS),
			RELAY_MAX_CONSUMERS: String(CONSUMERS_MAX),
			RELAY_MAX_CONSUMERS_PER_IP: String(PER_IP_MAX),
			RELAY_TRUST_PROXY: "true",
		},
	});
	await relay.start();
});
afterAll(async () => {
	await relay.stop();
	await relay.remove();
	await plc.stop();
});

/** A consumer that was accepted, or the status of the refusal. */
function connect(ip: string): Promise<WebSocket | number> {
	const url = `${relay.firehoseOrigin}/xrpc/com.atproto.sync.subscribeRepos`;
	const socket = new WebSocket(url, { headers: { "X-Forwarded-For": ip } });
	return new Promise((resolve) => {
		socket.on("open", () => resolve(socket));
		socket.on("unexpected-response", (_request, response) => resolve(response.statusCode ?? 0));
		socket.on("error", () => undefined);
	});
}

async function connectMany(count: number, ip: (index: number) => string) {
	const results = await Promise.all(Array.from({ length: count }, (_, index) => connect(ip(index))));
	return {
		open: results.filter((result) => result instanceof WebSocket),
		refused: results.filter((result) => typeof result === "number"),
	};
}

test("limits hold over all fan-out workers of the port together", async () => {
	const log = await Bun.file(relay.logPath).text();
	expect(log.match(/the firehose is served on/g)?.length).toBe(WORKERS);
	// All connections are of one IPv6 customer, on whichever threads the kernel puts them.
	const crowd: WebSocket[] = [];
	for (let index = 0; crowd.length < PER_IP_MAX; index++) {
		const socket = await connect(`2001:db8::${index.toString(16)}`);
		if (!(socket instanceof WebSocket)) throw new Error(`consumer ${index} was refused with ${socket}`);
		crowd.push(socket);
	}
	const more = await connectMany(10, (index) => `2001:db8::ffff:${index}`);
	expect([more.open.length, new Set(more.refused)]).toEqual([0, new Set([429])]);

	const others: WebSocket[] = [];
	for (let index = 0; others.length < CONSUMERS_MAX - PER_IP_MAX; index++) {
		const socket = await connect(`192.0.2.${index}`);
		if (!(socket instanceof WebSocket)) throw new Error(`consumer ${index} was refused with ${socket}`);
		others.push(socket);
	}
	const last = await connectMany(10, (index) => `198.51.100.${index}`);
	expect([last.open.length, new Set(last.refused)]).toEqual([0, new Set([429])]);

	for (const socket of [...crowd, ...others]) socket.close();
	await until(async () => (await relay.stats()).counters.of("consumers_connected") === 0);
	const again = await connect("2001:db8::1");
	expect(again).toBeInstanceOf(WebSocket);
}, 300_000);
