// The reference PLC directory on loopback, in memory, on a port that the system chooses. Prints a line of JSON with its
// port when it is ready.
import http from "node:http";
import { validateOperationLog } from "@did-plc/lib";
import { Database, PlcServer } from "@did-plc/server";

const DOCUMENT_PATH = /^\/(did:plc:[a-z0-9]+)$/;

const db = Database.mock();

// The database in memory exports nothing by itself.
db.exportOps = async (count, after = new Date(0)) =>
	Object.values(db.contents)
		.flat()
		.filter(({ createdAt }) => createdAt > after)
		.sort((a, b) => a.createdAt - b.createdAt)
		.slice(0, count)
		.map((row) => ({ ...row, cid: row.cid.toString(), createdAt: row.createdAt.toISOString() }));

const plc = PlcServer.create({ db, port: 0 });

/**
 * The DID document as the public directory writes it today. The package on npm is of an older form, with keys that no
 * directory serves any more.
 */
async function answerDocument(did, response) {
	const operations = await db.opsForDid(did);
	if (operations.length === 0) return send(response, 404, { message: `DID not registered: ${did}` });
	const data = await validateOperationLog(did, operations);
	if (data === null) return send(response, 410, { message: `DID not available: ${did}` });
	send(response, 200, {
		"@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"],
		id: did,
		alsoKnownAs: data.alsoKnownAs,
		verificationMethod: Object.entries(data.verificationMethods).map(([name, didKey]) => ({
			id: `${did}#${name}`,
			type: "Multikey",
			controller: did,
			publicKeyMultibase: didKey.slice("did:key:".length),
		})),
		service: Object.entries(data.services).map(([name, { type, endpoint }]) => ({
			id: `#${name}`,
			type,
			serviceEndpoint: endpoint,
		})),
	});
}

function send(response, status, body) {
	response.writeHead(status, { "content-type": "application/did+ld+json" }).end(JSON.stringify(body));
}

plc.app.listen = (port) =>
	http
		.createServer((request, response) => {
			const [, did] = DOCUMENT_PATH.exec(decodeURIComponent(request.url)) ?? [];
			if (request.method !== "GET" || did === undefined) return plc.app(request, response);
			answerDocument(did, response).catch((error) => send(response, 500, { message: error.message }));
		})
		.listen(port, "127.0.0.1");

const server = await plc.start();
console.log(JSON.stringify({ port: server.address().port }));
process.once("SIGTERM", () => plc.destroy().finally(() => process.exit(0)));
