/**
 * A small internet in a network namespace of its own, in which the compiled relay runs: `unshare --map-root-user --mount --net bun …`.
 * All addresses of the table, public and private, lead to this machine's loopback, so a connection to any of them succeeds and is noted. The
 * system's resolver asks a DNS server whose answers change. Prints what happened, as JSON.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeFrame } from "../../src/sim/message.ts";
import { SimPlc } from "../../src/sim/plc.ts";
import { RelayProcess } from "../../src/sim/relay-process.ts";
import { Rng } from "../../src/sim/rng.ts";
import { WILDCARD_CERTIFICATE, WILDCARD_KEY } from "../net/certificate.ts";
import { DnsServer } from "../net/dns-server.ts";
import { PRIVATE_ADDRESSES, PUBLIC_ADDRESSES, type Rebinding, rebindings } from "../net/rebinding.ts";
import { RELAY_COMMAND, until } from "./rig.ts";

/** The probe, the first dial and the next one. */
const MOMENTS = 3;
const HTTPS_PORT = 443;
const GOOD_HOST = "good.pds.example.com";
const REDIRECTING_HOST = "redirecting.pds.example.com";
const HANDLES = 4;
/** Hosts that are asked about at once. The relay answers one client only so many reads at once. */
const AT_ONCE = 12;

/** What the test reads. */
export interface RebindingReport {
	/** The private addresses at which a connection would have been noted. */
	reachable: string[];
	/** The local addresses of all connections, each once. */
	connectedTo: string[];
	names: { name: string; address: string; moment: number; lookups: number; handshakes: number; answers: string[] }[];
	/** What was answered about did:webs and handles. */
	texts: string[];
	/** Lookups of names of did:webs and handles. */
	lookups: number[];
}

const directory = mkdtempSync(join(tmpdir(), "standpipe-world-"));
makeNetwork();
const dns = await DnsServer.start(53);
const connectedTo = new Set<string>();
let accepted = 0;
/** Handshakes by the name of the host. */
const handshakes = new Map<string, number>();
const sockets = new Map<string, Bun.ServerWebSocket<string>>();
const pds = startPds();
await startFront(pds.port ?? 0);
const reachable = await tryPrivateAddresses();
const plc = new SimPlc();
plc.start();
const certificatePath = join(directory, "ca.pem");
writeFileSync(certificatePath, WILDCARD_CERTIFICATE);
const relay = await RelayProcess.create({
	command: RELAY_COMMAND,
	plcUrl: plc.url,
	env: { NODE_EXTRA_CA_CERTS: certificatePath, RELAY_ALLOW_INSECURE_HOSTS: "false", RELAY_MAX_READS_PER_IP: "100000" },
});
try {
	await relay.start();
	console.log(JSON.stringify(await observe()));
} finally {
	await relay.stop();
	await relay.remove();
}
process.exit(0);

async function observe(): Promise<RebindingReport> {
	dns.set(GOOD_HOST, () => ({ addresses: PUBLIC_ADDRESSES.slice(0, 1) }));
	dns.set(REDIRECTING_HOST, () => ({ addresses: PUBLIC_ADDRESSES.slice(0, 1) }));
	await crawl(GOOD_HOST);
	await until(() => handshakes.get(GOOD_HOST) === 1);
	const table = rebindings(new Rng("rebinding world"), MOMENTS, "one");
	const names: RebindingReport["names"] = [];
	for (let at = 0; at < table.length; at += AT_ONCE) {
		names.push(...(await Promise.all(table.slice(at, at + AT_ONCE).map(rebind))));
	}
	const texts = [await crawl(REDIRECTING_HOST)];
	const others = rebindings(new Rng("rebinding others"), 1, "one").map((one) => ({ ...one, name: `web-${one.name}` }));
	for (const { name, answer } of others) dns.set(name, answer);
	texts.push(...(await askForDids(others)), ...(await askForHandles(others.slice(-HANDLES))));
	return {
		reachable,
		connectedTo: [...connectedTo],
		names,
		texts,
		lookups: others.map(({ name }) => dns.lookups(name)),
	};
}

/** Takes a host through its probe and two dials. Its answer changes at one of them. */
async function rebind({ name, address, moment, answer }: Rebinding): Promise<RebindingReport["names"][number]> {
	dns.set(name, answer);
	const answers = [await crawl(name)];
	if (moment > 0) {
		await until(() => dns.lookups(name) > 1);
		if (moment > 1) {
			await until(() => handshakes.get(name) === 1);
			sockets.get(name)?.terminate();
			await until(() => dns.lookups(name) > 2);
		}
		await until(async () => (await why(`host=${name}`)).includes("not public"));
		// The host is known by now, and is dialled at once.
		const lookups = dns.lookups(name);
		answers.push(await crawl(name));
		await until(() => dns.lookups(name) > lookups);
		answers.push(await why(`host=${name}`));
	}
	return { name, address, moment, lookups: dns.lookups(name), handshakes: handshakes.get(name) ?? 0, answers };
}

/** Has an unknown account of each did:web announce itself. Resolves with why none passes. */
async function askForDids(names: readonly { name: string }[]): Promise<string[]> {
	for (const [at, { name }] of names.entries()) {
		const did = `did:web:${name}`;
		const body = { did, time: new Date().toISOString() };
		sockets.get(GOOD_HOST)?.send(encodeFrame({ type: "identity", did, rev: null, body }, at + 1));
	}
	const texts: string[] = [];
	for (const { name } of names) {
		let text = "";
		await until(async () => {
			text = await why(`did=did:web:${name}`);
			return text.includes("not public");
		});
		texts.push(text);
	}
	return texts;
}

async function askForHandles(names: readonly { name: string }[]): Promise<string[]> {
	return Promise.all(names.map(({ name }) => why(`handle=${name}`)));
}

/** Has the relay follow a host. Resolves with its answer. */
async function crawl(hostname: string): Promise<string> {
	return JSON.stringify(await relay.admin("pds/requestCrawl", { hostname }));
}

async function why(query: string): Promise<string> {
	const response = await fetch(`http://127.0.0.1:${relay.apiPort}/api/why?${query}`);
	return response.text();
}

/** Gives the loopback interface all addresses of the table, and the resolver our DNS server. */
function makeNetwork(): void {
	run("ip", "link", "set", "lo", "up");
	for (const address of [...PUBLIC_ADDRESSES, ...Object.values(PRIVATE_ADDRESSES).flat()]) {
		// Some can't be given to an interface, such as those that are mapped: they lead to the IPv4 address, or nowhere.
		spawnSync("ip", ["address", "add", `${address}/${address.includes(":") ? 128 : 32}`, "dev", "lo", "nodad"]);
	}
	const path = join(directory, "resolv.conf");
	writeFileSync(path, "nameserver 127.0.0.1\n");
	run("mount", "--bind", path, "/etc/resolv.conf");
}

function run(program: string, ...args: string[]): void {
	const { status, stderr } = spawnSync(program, args, { encoding: "utf8" });
	if (status !== 0) throw new Error(`${program} ${args.join(" ")}: ${stderr}`);
}

/** Accepts connections at port 443 of all addresses, notes to which, and passes them on. */
async function startFront(toPort: number): Promise<void> {
	const server = createServer((socket) => {
		accepted++;
		connectedTo.add((socket.localAddress ?? "").replace(/^::ffff:/, ""));
		const inner = connect(toPort, "127.0.0.1");
		for (const end of [socket, inner]) end.on("error", () => undefined);
		socket.pipe(inner).pipe(socket);
	});
	await new Promise<void>((listening) => server.listen(HTTPS_PORT, "::", listening));
}

/** Connects to all private addresses, as the relay must not. Resolves with those that this leads to, and forgets that it did. */
async function tryPrivateAddresses(): Promise<string[]> {
	for (const host of Object.values(PRIVATE_ADDRESSES).flat()) {
		const socket = connect(HTTPS_PORT, host);
		const before = accepted;
		const isConnected = await new Promise<boolean>((done) => {
			socket.once("connect", () => done(true));
			socket.once("error", () => done(false));
		});
		if (isConnected) await until(() => accepted > before);
		socket.destroy();
	}
	const found = [...connectedTo];
	connectedTo.clear();
	return found;
}

/** A PDS for all names. */
function startPds(): Bun.Server<string> {
	return Bun.serve<string>({
		hostname: "127.0.0.1",
		port: 0,
		tls: { cert: WILDCARD_CERTIFICATE, key: WILDCARD_KEY },
		fetch: (request, server) => {
			const name = request.headers.get("host") ?? "";
			const { pathname } = new URL(request.url);
			if (name === REDIRECTING_HOST) return Response.redirect(`https://10.0.0.1${pathname}`, 302);
			if (pathname.endsWith(".describeServer"))
				return Response.json({ did: `did:web:${name}`, availableUserDomains: [] });
			if (pathname.endsWith(".subscribeRepos") && server.upgrade(request, { data: name })) return undefined;
			return Response.json({ error: "NotFound" }, { status: 404 });
		},
		websocket: {
			open: (socket) => {
				sockets.set(socket.data, socket);
				handshakes.set(socket.data, (handshakes.get(socket.data) ?? 0) + 1);
			},
			message: () => undefined,
		},
	});
}
