import { generateKeyPairSync } from "node:crypto";
import { join } from "node:path";
import { didKeyOf } from "../../src/identity/signing-key.ts";

/** Hosts in one process. */
const HOSTS_PER_PROCESS = 1_500;
/** Accounts that commit for the first time at once. */
const SLICE_ACCOUNTS = 2_000;
const DID_KEY = "did:key:";
const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const HALF_BYTES = 32;

/** How a process of hosts is started. */
export interface HostsStart {
	kind: "tls" | "plain";
	/** Number of its first host among all. */
	firstHost: number;
	hosts: number;
	hostsTotal: number;
	/** Accounts of all hosts together: the account N is at the host N modulo their number. */
	accounts: number;
	/** The private key of all accounts, as PEM. */
	signingKey: string;
}

/**
 * `connections`: how many hosts have a connection. `each`: accounts commit once, so many from the one with
 * this place in the process, as fast as they can. `paced`: accounts commit, so many a
 * second. Each is answered when it is done, with a number: hosts, or commits.
 */
export type HostCommand =
	| { type: "connections" }
	| { type: "each"; from: number; count: number }
	| { type: "paced"; perS: number; seconds: number };
export type HostAnswer = { ports: number[] } | { count: number };

/** The key of all accounts. Real identities have keys of their own, but a relay does not compare them. */
export interface SharedKey {
	pem: string;
	/** As a DID document has it. */
	multibase: string;
}

export function makeSharedKey(): SharedKey {
	const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
	const { x = "", y = "" } = publicKey.export({ format: "jwk" });
	const isOdd = (Buffer.from(y, "base64url").at(-1) ?? 0) % 2 === 1;
	const point = Buffer.concat([Buffer.from([isOdd ? 3 : 2]), Buffer.from(x, "base64url")]);
	return {
		pem: privateKey.export({ format: "pem", type: "pkcs8" }).toString(),
		multibase: didKeyOf({ curve: "p256", publicKey: point }).slice(DID_KEY.length),
	};
}

/** The signature with its s in the lower half of the curve's order, as the protocol wants it. */
export function lowS(signature: Buffer): Buffer {
	const s = BigInt(`0x${signature.subarray(HALF_BYTES).toString("hex")}`);
	if (s <= P256_ORDER / 2n) return signature;
	const low = (P256_ORDER - s).toString(16).padStart(2 * HALF_BYTES, "0");
	return Buffer.concat([signature.subarray(0, HALF_BYTES), Buffer.from(low, "hex")]);
}

/** Many hosts, in some processes. */
export class ManyHosts {
	readonly #children: HostsChild[] = [];
	/** By their numbers. */
	readonly ports: number[] = [];
	readonly #kind: HostsStart["kind"];

	private constructor(kind: HostsStart["kind"]) {
		this.#kind = kind;
	}

	static async start(kind: HostsStart["kind"], count: number, accounts: number, key: SharedKey): Promise<ManyHosts> {
		const all = new ManyHosts(kind);
		for (let firstHost = 0; firstHost < count; firstHost += HOSTS_PER_PROCESS) {
			const hosts = Math.min(count - firstHost, HOSTS_PER_PROCESS);
			const child = new HostsChild({ kind, firstHost, hosts, hostsTotal: count, accounts, signingKey: key.pem });
			all.#children.push(child);
			const answer = await child.answer();
			if (!("ports" in answer)) throw new Error("the hosts did not say their ports");
			all.ports.push(...answer.ports);
		}
		return all;
	}

	/** As a relay is asked for them. */
	get hostnames(): string[] {
		return this.ports.map((port) => `${this.#kind === "tls" ? "https://" : ""}localhost:${port}`);
	}

	get pids(): number[] {
		return this.#children.map(({ pid }) => pid);
	}

	/** The PDS of an account, as its DID document has it. */
	endpointOf(account: number): string {
		return `${this.#kind === "tls" ? "https" : "http"}://localhost:${this.ports[account % this.ports.length]}`;
	}

	/** How many hosts have a connection. */
	connections(): Promise<number> {
		return this.#run({ type: "connections" });
	}

	/**
	 * Every account commits once, a slice of them at a time. Resolves with the number of commits.
	 *
	 * @param passed waits until the relay has passed so many; called after each slice, so that no more than that waits in the relay
	 */
	async sendEach(passed: (commits: number) => Promise<void>): Promise<number> {
		const count = Math.ceil(SLICE_ACCOUNTS / this.#children.length);
		let sent = 0;
		for (let from = 0; ; from += count) {
			const slice = await this.#run({ type: "each", from, count });
			if (slice === 0) return sent;
			sent += slice;
			await passed(sent);
		}
	}

	/** Accounts commit, `perS` a second in all. Resolves with the number of commits when all are sent. */
	sendPaced(perS: number, seconds: number): Promise<number> {
		return this.#run({ type: "paced", perS: perS / this.#children.length, seconds });
	}

	async #run(command: HostCommand): Promise<number> {
		const counts = await Promise.all(this.#children.map((child) => child.run(command)));
		return counts.reduce((sum, count) => sum + count, 0);
	}

	stop(): void {
		for (const child of this.#children) child.stop();
	}
}

/** One process of hosts. */
class HostsChild {
	readonly #child: Bun.Subprocess<"pipe", "pipe", "inherit">;
	readonly #lines: AsyncGenerator<string>;

	constructor(start: HostsStart) {
		const script = join(import.meta.dir, "many-hosts.ts");
		this.#child = Bun.spawn([process.execPath, script, JSON.stringify(start)], {
			stdio: ["pipe", "pipe", "inherit"],
		});
		this.#lines = linesOf(this.#child.stdout);
	}

	get pid(): number {
		return this.#child.pid;
	}

	async answer(): Promise<HostAnswer> {
		const { value, done } = await this.#lines.next();
		if (done === true) throw new Error("the hosts' process ended");
		return JSON.parse(value) as HostAnswer;
	}

	async run(command: HostCommand): Promise<number> {
		this.#child.stdin.write(`${JSON.stringify(command)}\n`);
		this.#child.stdin.flush();
		const answer = await this.answer();
		if (!("count" in answer)) throw new Error("the hosts gave no number");
		return answer.count;
	}

	stop(): void {
		this.#child.kill();
	}
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
	let text = "";
	const decoder = new TextDecoder();
	for await (const chunk of stream) {
		text += decoder.decode(chunk, { stream: true });
		const lines = text.split("\n");
		text = lines.pop() ?? "";
		yield* lines;
	}
}
