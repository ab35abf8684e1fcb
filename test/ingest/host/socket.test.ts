import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { LookupAddress, LookupAllOptions, lookup } from "node:dns";
import type { LookupFunction } from "node:net";
import { cutToBytes, HostSocket, publicLookup } from "../../../src/ingest/host/socket.ts";
import { SimHost } from "../../../src/sim/host.ts";
import { Rng } from "../../../src/sim/rng.ts";
import { RawHost } from "../../sim/raw-host.ts";

test("a close reason is cut by bytes, between characters", () => {
	const rng = new Rng("close reasons");
	const alphabet = ["a", "ß", "語", "🦋", "\ud800", "\0"];
	for (let round = 0; round < 2_000; round++) {
		const text = Array.from({ length: rng.int(200) }, () => rng.pick(alphabet)).join("");
		const cut = cutToBytes(text, 123);
		expect(text.startsWith(cut)).toBe(true);
		expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(123);
		// No more was cut than needed: the next character, of at most 4 bytes, would not fit.
		if (cut !== text) expect(Buffer.byteLength(cut)).toBeGreaterThan(123 - 4);
	}
});

test("a connection can be closed with a reason of any length", async () => {
	const host = new SimHost();
	host.start();
	const reason = "é".repeat(100);
	await new Promise<unknown>((closed) => {
		const options = { hostname: host.hostname, insecure: true, cursor: null, userAgent: "a test" };
		const socket: HostSocket = new HostSocket(options, {
			opened: () => socket.close(1000, reason),
			frame: () => undefined,
			unreadable: () => undefined,
			closed,
		});
	});
	while (host.closes.length === 0) await Bun.sleep(1);
	expect(host.closes).toEqual([{ code: 1000, reason: reason.slice(0, 61) }]);
	await host.stop();
});

/** A resolver that returns these answers, one after the other. */
function resolver(...answers: LookupAddress[][]): typeof lookup {
	const resolve = (
		_hostname: string,
		_options: LookupAllOptions,
		callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
	): void => callback(null, answers.shift() ?? []);
	return resolve as typeof lookup;
}

const PUBLIC: LookupAddress = { address: "93.184.215.14", family: 4 };
const PRIVATE: LookupAddress = { address: "127.0.0.1", family: 4 };

describe("the guard of host sockets", () => {
	let host: RawHost;
	beforeEach(async () => {
		host = new RawHost();
		await host.start();
	});
	afterEach(() => host.stop());

	/** Connects to `name`, and resolves with why that ended. */
	function connect(hostname: string, lookup?: LookupFunction, insecure = false): Promise<string> {
		return new Promise((resolve) => {
			const options = { hostname, insecure, cursor: null, userAgent: "a test", ...(lookup && { lookup }) };
			const socket: HostSocket = new HostSocket(options, {
				opened: () => socket.close(1000, "open"),
				frame: () => undefined,
				unreadable: () => undefined,
				closed: ({ text }) => resolve(text),
			});
		});
	}

	test("refuses a name whose answer has changed to a private address since it was checked", async () => {
		const guard = publicLookup(resolver([PUBLIC], [PRIVATE]));
		// The check, when the host was added.
		const checked = await new Promise((resolve) => guard("pds.example.com", { all: true }, (error) => resolve(error)));
		expect(checked).toBeNull();
		expect(await connect(`pds.example.com:${host.port}`, guard)).toContain("leads to an address that is not public");
		expect(host.accepted).toBe(0);
	});

	test("connects to the address that was checked, and resolves the name only once", async () => {
		const asked: string[] = [];
		// Replaces the guard by a lookup that allows this machine.
		const lookup: LookupFunction = (hostname, options, callback) => {
			asked.push(hostname);
			if (options.all === true) callback(null, [PRIVATE]);
			else callback(null, PRIVATE.address, PRIVATE.family);
		};
		// No such name exists, so the system's resolver can't have led there. It is no TLS server, which ends it.
		const ended = connect(`pds.does-not-exist.example:${host.port}`, lookup);
		while (host.accepted === 0) await Bun.sleep(1);
		host.stop();
		await ended;
		expect(asked).toEqual(["pds.does-not-exist.example"]);
	});

	test("refuses exactly the answers with an address that is not public", async () => {
		const rng = new Rng("answers");
		const pools = {
			public: ["93.184.215.14", "2606:2800:21f:cb07::1", "8.8.8.8", "2a00:1450:4001::5"],
			private: ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "fe80::1", "fd00::1", "::ffff:8.8.8.8", "0.0.0.0"],
		};
		for (let round = 0; round < 500; round++) {
			const addresses = Array.from({ length: rng.int(5) }, () =>
				rng.pick(rng.int(4) === 0 ? pools.private : pools.public),
			);
			const answer = addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
			const isGood = addresses.length > 0 && addresses.every((address) => pools.public.includes(address));
			for (const all of [true, false]) {
				const result = await new Promise((resolve) =>
					publicLookup(resolver(answer))("pds.example.com", { all }, (error, found) => resolve(error ?? found)),
				);
				if (!isGood) expect(result).toBeInstanceOf(Error);
				else expect(result).toEqual(all ? answer : addresses[0]);
			}
		}
	});

	test("does not apply to hosts that the operator has named as local, with TLS or without", async () => {
		expect(await connect(host.hostname, undefined, true)).toBe("closed by us with 1000: open");
		// The host is no TLS server. What matters is that it was reached.
		const ended = connect(host.hostname);
		while (host.accepted < 2) await Bun.sleep(1);
		host.stop();
		await ended;
	});
});
