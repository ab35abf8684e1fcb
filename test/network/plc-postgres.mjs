// The reference PLC directory with its database in PostgreSQL (DATABASE_URL), so that it exports its operations; on loopback, on a port
// that the system chooses. Prints a line of JSON with its port when it is ready. It goes by a clock that the test sets:
//   POST /test/clock   the time now, in milliseconds since 1970
//   POST /test/legacy/DID   an operation of the first form, which the directory itself takes no more
import http from "node:http";

const RealDate = Date;
let nowMs = RealDate.now();
globalThis.Date = class extends RealDate {
	constructor(...args) {
		super(...(args.length === 0 ? [nowMs] : args));
	}
	static now() {
		return nowMs;
	}
};

const { getLastOpWithCid } = await import("@did-plc/lib");
const { Database, PlcServer } = await import("@did-plc/server");
const db = Database.postgres({ url: process.env.DATABASE_URL });
await db.migrateToLatestOrThrow();
const plc = PlcServer.create({ db, port: 0 });

async function bodyOf(request) {
	let text = "";
	for await (const chunk of request) text += chunk;
	return JSON.parse(text);
}

const DAY_MS = 86_400_000;

/** The database gives operations the time of its own clock. This gives those that came since the last call the time of the test's. */
async function dateOperations() {
	const createdAt = new RealDate(nowMs);
	const lately = new RealDate(RealDate.now() - DAY_MS);
	await db.db.updateTable("operations").set({ createdAt }).where("createdAt", ">", lately).execute();
}

async function answerTest(request, response) {
	const body = await bodyOf(request);
	const [, , what, did] = request.url.split("/");
	if (what === "clock") {
		await dateOperations();
		nowMs = body;
	} else {
		const { cid } = await getLastOpWithCid([body]);
		const row = { did: decodeURIComponent(did), operation: body, cid: cid.toString(), nullified: false };
		await db.db.insertInto("operations").values(row).execute();
	}
	response.writeHead(200).end();
}

plc.app.listen = (port) =>
	http
		.createServer((request, response) => {
			if (!request.url.startsWith("/test/")) return plc.app(request, response);
			answerTest(request, response).catch((error) => response.writeHead(400).end(error.message));
		})
		.listen(port, "127.0.0.1");

const server = await plc.start();
console.log(JSON.stringify({ port: server.address().port }));
process.once("SIGTERM", () => plc.destroy().finally(() => process.exit(0)));
