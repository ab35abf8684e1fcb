import { isAscii } from "../runtime/ascii.ts";
import { Interned } from "../runtime/interned.ts";
import type { Packing } from "../runtime/packed-map.ts";
import type { Resolution } from "./identity.ts";

/** What a DID resolved to. Times are those of the monotonic clock. */
export interface Known {
	readonly resolution: Resolution;
	/** When the lookup that found it began. */
	readonly askedAtMs: number;
	/** Until when it is used without asking again. */
	readonly goodUntilMs: number;
}

interface Pds {
	readonly pds: string;
	readonly pdsHost: string;
}

const PUBLIC_KEY_BYTES = 33;
/** A did:key of a compressed point has 57 characters at most. */
const DID_KEY_CHARS_MAX = 64;
/** Layout: flags u8, length of the did:key u8, did:key, public key, unused (1 byte), PDS u32, f64 resolvedAtMs, askedAtMs and goodUntilMs. */
const DID_KEY_AT = 2;
const PUBLIC_KEY_AT = DID_KEY_AT + DID_KEY_CHARS_MAX;
const PDS_AT = 100;
const RESOLVED_AT = 104;
const ASKED_AT = 112;
const GOOD_UNTIL_AT = 120;
const RECORD_BYTES = 128;
/** Values of the first byte. */
const Curve = { k256: 0, p256: 1 } as const;

/** What is known of the usual DIDs as bytes: of those that have a key and a PDS. Accounts of one PDS share its name. */
export class KnownPacking implements Packing<Known> {
	readonly recordBytes = RECORD_BYTES;
	readonly #pdses = new Interned<Pds>();

	fits(did: string, { resolution }: Known): boolean {
		if (resolution.outcome !== "resolved") return false;
		const { identity } = resolution;
		const { signingKey, signingKeyDidKey, pds, pdsFault, pdsHost } = identity;
		return (
			identity.did === did &&
			signingKey !== null &&
			signingKey.publicKey.length === PUBLIC_KEY_BYTES &&
			signingKeyDidKey !== null &&
			signingKeyDidKey.length <= DID_KEY_CHARS_MAX &&
			isAscii(signingKeyDidKey) &&
			pds !== null &&
			pdsFault === null &&
			pdsHost !== null
		);
	}

	write({ resolution, askedAtMs, goodUntilMs }: Known, record: Buffer, at: number): void {
		if (resolution.outcome !== "resolved") throw new TypeError(`what is ${resolution.outcome} can't be packed`);
		const { signingKey, signingKeyDidKey, pds, pdsHost, resolvedAtMs } = resolution.identity;
		if (signingKey === null || signingKeyDidKey === null || pds === null || pdsHost === null)
			throw new TypeError("an identity without a key or a PDS can't be packed");
		record[at] = Curve[signingKey.curve];
		record[at + 1] = record.write(signingKeyDidKey, at + DID_KEY_AT, DID_KEY_CHARS_MAX, "latin1");
		record.set(signingKey.publicKey, at + PUBLIC_KEY_AT);
		record.writeUInt32LE(this.#pdses.use(`${pds} ${pdsHost}`, { pds, pdsHost }), at + PDS_AT);
		record.writeDoubleLE(resolvedAtMs, at + RESOLVED_AT);
		record.writeDoubleLE(askedAtMs, at + ASKED_AT);
		record.writeDoubleLE(goodUntilMs, at + GOOD_UNTIL_AT);
	}

	read(did: string, record: Buffer, at: number): Known {
		const { pds, pdsHost } = this.#pdses.at(record.readUInt32LE(at + PDS_AT));
		const didKeyAt = at + DID_KEY_AT;
		const publicKeyAt = at + PUBLIC_KEY_AT;
		const identity = {
			did,
			signingKey: {
				curve: record[at] === Curve.p256 ? ("p256" as const) : ("k256" as const),
				// Copied, since another identity may get the place while this one is in use.
				publicKey: new Uint8Array(record.subarray(publicKeyAt, publicKeyAt + PUBLIC_KEY_BYTES)),
			},
			signingKeyDidKey: record.toString("latin1", didKeyAt, didKeyAt + (record[at + 1] ?? 0)),
			pds,
			pdsFault: null,
			pdsHost,
			resolvedAtMs: record.readDoubleLE(at + RESOLVED_AT),
		};
		return {
			resolution: { outcome: "resolved", identity },
			askedAtMs: record.readDoubleLE(at + ASKED_AT),
			goodUntilMs: record.readDoubleLE(at + GOOD_UNTIL_AT),
		};
	}

	drop(record: Buffer, at: number): void {
		this.#pdses.release(record.readUInt32LE(at + PDS_AT));
	}
}
