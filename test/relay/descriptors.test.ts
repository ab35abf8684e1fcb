import { expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { SimConsumer } from "../../src/sim/consumer.ts";
import { SimNetwork } from "../../src/sim/network.ts";
import { RelayProcess } from "../../src/sim/relay-process.ts";
import { RELAY_COMMAND, until } from "./rig.ts";

const OPEN_FILES_MAX = 200;
/** The address of the greedy client. Other clients have other addresses. */
const HOARDER = "127.0.0.2";
/** Connections of one client: more than the descriptors that the relay may have open. */
const CONNECTIONS = 400;
const REOPEN_MS = 10;
const COMMITS = 150;
const RECORD_TEXT_CHARS = 100_000;

/** Holds connections to a port, and opens another for each that is closed. */
class Hoarder {
	readonly #port: number;
	readonly #request: string;
	readonly #sockets = new Set<Socket>();
	#isOver = false;
	opened = 0;

	/** @param request bytes that each connection sends as soon as it is open */
	constructor(port: number, request: string) {
		this.#port = port;
		this.#request = request;
		for (let at = 0; at < CONNECTIONS; at++) this.#open();
	}

	#open(): void {
		const socket = connect({ port: this.#port, host: "127.0.0.1", localAddress: HOARDER }, () => {
			this.opened++;
			socket.write(this.#request);
		});
		this.#sockets.add(socket);
		socket.on("error", () => {});
		socket.on("close", () => {
			this.#sockets.delete(socket);
			if (!this.#isOver) setTimeout(() => this.#open(), REOPEN_MS);
		});
	}

	stop(): void {
		this.#isOver = true;
		for (const socket of this.#sockets) socket.destroy();
	}
}

test.each([
	["nothing said", ""],
	["a byte of a request each", "G"],
	["a request each, and the beginning of another", "GET /_health HTTP/1.1\r\nHost: h\r\n\r\nGET"],
])(
	"one client that holds connections with %s keeps no other from the firehose",
	async (_what, request) => {
		const network = new SimNetwork({ seed: "descriptors", hosts: 1, accounts: 1 });
		await network.start();
		const command = ["sh", "-c", `ulimit -n ${OPEN_FILES_MAX}; exec "$@"`, "sh", ...RELAY_COMMAND];
		const env = { RELAY_SEGMENT_BYTES: "1MiB" };
		const relay = await RelayProcess.create({ command, plcUrl: network.plc.url, env });
		await relay.start();
		const consumer = new SimConsumer(relay.firehoseOrigin);
		await consumer.connect();
		const [account] = network.accounts;
		const [host] = network.hosts;
		if (account === undefined || host === undefined) throw new Error("the network has no account");
		await relay.requestCrawl(host.hostname);
		await until(() => host.connections > 0);
		const hoarder = new Hoarder(relay.apiPort, request);
		try {
			await until(async () => (await relay.stats()).counters.of("networks_refused_total") > 0);
			const got = () => consumer.events.filter(({ did }) => did === account.did).map(({ rev }) => rev);
			const sent = () =>
				network.sent.filter(({ did, expected }) => did === account.did && expected === "pass").map(({ rev }) => rev);
			for (let at = 0; at < COMMITS; at++) {
				const record = {
					$type: "app.bsky.feed.post",
					text: "x".repeat(RECORD_TEXT_CHARS),
					createdAt: "2026-07-04T12:00:00Z",
				};
				const path = `app.bsky.feed.post/${account.clock.tid()}`;
				network.send(account, await account.commit([{ action: "create", path, record }]));
				if (at % 25 !== 0) continue;
				await until(() => got().length === sent().length);
				expect(await relay.fault()).toBeNull();
				const metrics = await (await fetch(`http://127.0.0.1:${relay.internalPort}/metrics`)).text();
				expect(metrics).toMatch(/^process_open_fds \d+$/m);
				expect(metrics).toContain(`process_max_fds ${OPEN_FILES_MAX - OPEN_FILES_MAX / 8}\n`);
			}
			await until(() => got().length === sent().length);
			expect(got()).toEqual(sent());
			expect(consumer.orderViolations).toBe(0);
			const late = new SimConsumer(relay.firehoseOrigin);
			await until(() =>
				late.connect(0).then(
					() => true,
					() => false,
				),
			);
			await late.until(() => late.cursor === consumer.cursor);
			await late.disconnect();
			const { counters, log } = await relay.stats();
			expect(log.lastSeq).toBe(COMMITS);
			expect(counters.of("networks_refused_total")).toBeGreaterThan(0);
			expect([
				counters.of("log_stalls_total"),
				counters.of("index_stalls_total"),
				counters.of("log_read_failures_total"),
			]).toEqual([0, 0, 0]);
			const lines = (await Bun.file(relay.logPath).text()).trimEnd().split("\n");
			expect(lines.filter((line) => line.includes('"level":"error"'))).toEqual([]);
			expect(lines.some((line) => /the limit of 175 open files is too low for 1000 consumers/.test(line))).toBe(true);
		} finally {
			hoarder.stop();
			await consumer.disconnect();
			expect(await relay.stop()).toBe(0);
			await network.stop();
			await relay.remove();
		}
	},
	300_000,
);
