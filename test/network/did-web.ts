import { Secp256k1PrivateKeyExportable } from "@atcute/crypto";
import { Account } from "./account.ts";
import type { Pds } from "./pds.ts";
import { query } from "./xrpc.ts";

/** An account with a did:web, and the server of its document. */
export interface DidWebAccount {
	account: Account;
	stop: () => Promise<void>;
}

/** The values that a PDS requires in the document of its account's DID. */
interface Credentials {
	alsoKnownAs: string[];
	verificationMethods: { atproto: string };
	services: { atproto_pds: { type: string; endpoint: string } };
}

/** Makes a did:web on loopback, and an active account of it. */
export async function createDidWebAccount(pds: Pds, name: string): Promise<DidWebAccount> {
	const key = await Secp256k1PrivateKeyExportable.createKeypair();
	let document: object = {};
	const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => Response.json(document) });
	const did = `did:web:localhost%3A${server.port}`;
	document = didDocument(did, {
		alsoKnownAs: [`at://${name}${pds.handleDomain}`],
		verificationMethods: { atproto: await key.exportPublicKey("did") },
		services: { atproto_pds: { type: "AtprotoPersonalDataServer", endpoint: pds.origin } },
	});
	const account = await Account.create(pds, name, { did, token: await serviceToken(key, did, pds) });
	document = didDocument(did, await account.ask("com.atproto.identity.getRecommendedDidCredentials"));
	await account.activate();
	return { account, stop: () => server.stop(true) };
}

function didDocument(did: string, { alsoKnownAs, verificationMethods, services }: Credentials): object {
	return {
		"@context": ["https://www.w3.org/ns/did/v1"],
		id: did,
		alsoKnownAs,
		verificationMethod: [
			{
				id: `${did}#atproto`,
				type: "Multikey",
				controller: did,
				publicKeyMultibase: verificationMethods.atproto.slice("did:key:".length),
			},
		],
		service: [
			{
				id: "#atproto_pds",
				type: services.atproto_pds.type,
				serviceEndpoint: services.atproto_pds.endpoint,
			},
		],
	};
}

/** The JWT with which a DID's owner lets a PDS create an account of it. */
async function serviceToken(key: Secp256k1PrivateKeyExportable, did: string, pds: Pds): Promise<string> {
	const { did: audience } = await query<{ did: string }>(pds.origin, "com.atproto.server.describeServer");
	const issuedAt = Math.floor(Date.now() / 1000);
	const claims = {
		iss: did,
		aud: audience,
		lxm: "com.atproto.server.createAccount",
		iat: issuedAt,
		exp: issuedAt + 60,
		jti: crypto.randomUUID(),
	};
	const signed = [{ typ: "JWT", alg: "ES256K" }, claims].map((part) => base64url(JSON.stringify(part))).join(".");
	return `${signed}.${base64url(await key.sign(new TextEncoder().encode(signed)))}`;
}

function base64url(bytes: string | Uint8Array): string {
	return Buffer.from(bytes).toString("base64url");
}
