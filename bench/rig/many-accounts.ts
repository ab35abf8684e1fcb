/** Accounts that are numbers: their DIDs and documents are made when they are needed, so millions of them take no memory. */

const DID_PREFIX = "did:plc:";
const DID_CHARS = 24;
/** The DIDs of numbers: base 32, padded on the left. */
const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";

/** The DID of the account with this number, up to 2^32. */
export function didOf(account: number): string {
	let digits = "";
	for (let left = account; left > 0; left = Math.floor(left / 32)) digits = `${ALPHABET[left % 32]}${digits}`;
	return DID_PREFIX + digits.padStart(DID_CHARS, "a");
}

/** @throws {RangeError} if it is no DID of `didOf` */
export function accountOf(did: string): number {
	if (!did.startsWith(DID_PREFIX) || did.length !== DID_PREFIX.length + DID_CHARS)
		throw new RangeError(`${did} is no account of the bench`);
	let account = 0;
	for (const char of did.slice(DID_PREFIX.length)) account = 32 * account + ALPHABET.indexOf(char);
	return account;
}

/** A DID document in the form of the PLC directory. */
export function documentOf(did: string, key: string, endpoint: string): string {
	return JSON.stringify({
		"@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"],
		id: did,
		alsoKnownAs: [`at://${did.slice(DID_PREFIX.length)}.example.com`],
		verificationMethod: [{ id: `${did}#atproto`, type: "Multikey", controller: did, publicKeyMultibase: key }],
		service: [{ id: "#atproto_pds", type: "AtprotoPersonalDataServer", serviceEndpoint: endpoint }],
	});
}

/** A PLC directory that has all of these accounts. */
export class NumberedDirectory {
	/** Requests so far. */
	requests = 0;
	readonly #server: Bun.Server<undefined>;

	/** @param endpointOf the PDS of an account */
	constructor(key: string, endpointOf: (account: number) => string) {
		this.#server = Bun.serve({
			hostname: "127.0.0.1",
			port: 0,
			idleTimeout: 0,
			fetch: ({ url }) => {
				this.requests++;
				const did = decodeURIComponent(new URL(url).pathname).slice(1);
				const text = documentOf(did, key, endpointOf(accountOf(did)));
				return new Response(text, { headers: { "content-type": "application/did+ld+json" } });
			},
		});
	}

	get url(): string {
		return `http://127.0.0.1:${this.#server.port}`;
	}

	async stop(): Promise<void> {
		await this.#server.stop(true);
	}
}
