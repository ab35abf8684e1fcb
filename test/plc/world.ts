import type { SimKey } from "../../src/sim/keys.ts";
import {
	cidOfOperation,
	didOfOperation,
	newKey,
	PLC_START_MS,
	type PlcOperation,
	sign,
	unsignedLegacy,
	unsignedTombstone,
	unsignedUpdate,
} from "../../src/sim/plc-operation.ts";
import type { Rng } from "../../src/sim/rng.ts";
import { lineOf, type PlcLine } from "./lines.ts";

const HOUR_MS = 3_600_000;

/** A DID of the world, and what a directory says about it. */
export interface WorldDid {
	did: string;
	/** The operations that hold, the last one last. */
	valid: { cid: string; createdAtMs: number; operation: PlcOperation; signer: "owner" | "server" }[];
}

/** What the owners of some DIDs did, as a directory that follows the rules has it. */
export class World {
	readonly lines: PlcLine[] = [];
	readonly dids = new Map<string, WorldDid>();
	nowMs = PLC_START_MS;
	readonly #rng: Rng;
	readonly #owner: SimKey;
	readonly #server: SimKey;

	constructor(rng: Rng) {
		this.#rng = rng;
		this.#owner = newKey(rng);
		this.#server = newKey(rng);
	}

	/** Adds operations: creations, updates, recoveries in time, tombstones and their undoing. */
	grow(operations: number): void {
		const length = this.lines.length + operations;
		while (this.lines.length < length) this.#act();
	}

	/** What the DID says now, as a mirror must have it. */
	dataOf(did: string): { tombstoned: boolean; pds: string | null } | null {
		const last = this.dids.get(did)?.valid.at(-1)?.operation;
		if (last === undefined) return null;
		if (last["type"] === "plc_tombstone") return { tombstoned: true, pds: null };
		if (last["type"] === "create") return { tombstoned: false, pds: `https://${last["service"]}` };
		const services = last["services"] as { atproto_pds: { endpoint: string } };
		return { tombstoned: false, pds: services.atproto_pds.endpoint };
	}

	/** An operation of the owner that follows another. */
	updateOf(prev: string, signer: "owner" | "server" = "server"): PlcOperation {
		return sign(this.#unsigned(prev), signer === "owner" ? this.#owner : this.#server);
	}

	#act(): void {
		this.nowMs += 1 + this.#rng.int(5 * HOUR_MS);
		const known = [...this.dids.values()];
		if (known.length === 0 || this.#rng.int(3) === 0) {
			this.#create();
			return;
		}
		const one = this.#rng.pick(known);
		const [before, last] = [one.valid.at(-2), one.valid.at(-1)];
		if (last === undefined) return;
		const mayRecover = last.signer === "server" && this.nowMs - last.createdAtMs <= 72 * HOUR_MS;
		if (before !== undefined && mayRecover && this.#rng.int(3) === 0) {
			one.valid.pop();
			this.#add(one, this.updateOf(before.cid, "owner"), "owner");
		} else if (last.operation["type"] !== "plc_tombstone") {
			const isLast = this.#rng.int(8) === 0;
			this.#add(one, isLast ? sign(unsignedTombstone(last.cid), this.#server) : this.updateOf(last.cid));
		}
	}

	#create(): void {
		const unsigned =
			this.#rng.int(5) === 0
				? unsignedLegacy({
						signingKey: this.#server,
						recoveryKey: this.#owner,
						service: `old${this.#rng.uint32()}.test`,
					})
				: this.#unsigned(null);
		const operation = sign(unsigned, this.#server);
		const did = didOfOperation(operation);
		const one: WorldDid = { did, valid: [] };
		this.dids.set(did, one);
		this.#add(one, operation);
	}

	#unsigned(prev: string | null): PlcOperation {
		const pds = `https://pds${this.#rng.uint32()}.test`;
		return unsignedUpdate({ rotationKeys: [this.#owner, this.#server], signingKey: this.#server, pds, prev });
	}

	#add(one: WorldDid, operation: PlcOperation, signer: "owner" | "server" = "server"): void {
		const seq = (this.lines.at(-1)?.seq ?? 0) + 1 + this.#rng.int(3);
		one.valid.push({ cid: cidOfOperation(operation), createdAtMs: this.nowMs, operation, signer });
		this.lines.push(lineOf(one.did, operation, this.nowMs, seq));
	}
}
