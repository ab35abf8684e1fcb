import { type Bytes, encode, fromBytes, toBytes } from "@atcute/cbor";
import type { CheckName } from "../../../src/peer/check/table.ts";
import { cidBytes, cidOf } from "../../../src/sim/blocks.ts";
import {
	encodeErrorFrame,
	encodeFrame,
	encodeInfoFrame,
	joinFrame,
	type SimMessage,
	type SimPayload,
} from "../../../src/sim/message.ts";
import { type Asked, type Fault, OLDEST_SEQ, type Plan, type Sent } from "../fake-relay.ts";

/** What a check has to find: ways to break its rule, and checks that may fail of the same. */
export interface Planted {
	faults: Record<string, Fault>;
	mayFail?: readonly CheckName[];
}

/** A message that is always seen, since it is among the first ones from cursor 0. */
const SEEN_SEQ = OLDEST_SEQ + 1;

type Json = Record<string, unknown>;

/** Answers one request with something else. */
function instead(what: string, give: (asked: Asked) => Response | null): Fault {
	return { answer: (asked, right) => (asked.what === what ? (give(asked) ?? right) : right) };
}

/** Changes the JSON of the good answers to one request. */
function edited(what: string, edit: (json: Json, asked: Asked) => Json): Fault {
	return {
		async answer(asked, right) {
			if (asked.what !== what || right.status !== 200) return right;
			return Response.json(edit((await right.json()) as Json, asked), { headers: right.headers });
		},
	};
}

/** Answers one request with something else, also if it is refused. */
function answeredWith(what: string, give: () => Response): Fault {
	return { answer: (asked, right) => (asked.what === what ? give() : right) };
}

/** Changes the headers of answers. */
function answered(change: (headers: Headers, asked: Asked) => unknown): Fault {
	return {
		answer(asked, { body, status, headers }) {
			const changed = new Headers(headers);
			change(changed, asked);
			return new Response(body, { status, headers: changed });
		},
	};
}

/** Redirects whoever asks for a repo to another place. */
function redirect(location: string): Fault {
	return {
		answer: ({ what }, right) =>
			what === "GET getRepo" && right.status === 302
				? new Response(null, { status: 302, headers: { Location: location } })
				: right,
	};
}

const named = (status: number, name: string): Response =>
	Response.json({ error: name }, { status, headers: { "Access-Control-Allow-Origin": "*" } });
const isBad = ({ query }: Asked, name: string): boolean => query.get(name)?.includes("nobody") ?? true;
const isUnknown = ({ query }: Asked): boolean =>
	/no-such-host|did:plc:a{24}/.test(query.toString().replaceAll("%3A", ":"));
const isMany = ({ query }: Asked): boolean => query.get("limit") === "2";
const isSingle = ({ query }: Asked): boolean => query.get("limit") === "1";

function listing(
	method: string,
	rows: string,
	badRows: Record<string, Json>,
): Record<"rows" | "pages" | "single" | "limits", Planted> {
	const what = `GET ${method}`;
	const list = (json: Json): Json[] => json[rows] as Json[];
	return {
		rows: {
			faults: {
				"is not there": instead(what, (asked) => (isMany(asked) ? named(404, "NotFound") : null)),
				"gives no rows": edited(what, (json, asked) => (isMany(asked) ? { cursor: json["cursor"] } : json)),
				...Object.fromEntries(
					Object.entries(badRows).map(([name, bad]) => [
						name,
						edited(what, (json) => ({ ...json, [rows]: list(json).map((row) => ({ ...row, ...bad })) })),
					]),
				),
			},
		},
		pages: {
			faults: {
				"repeats a row": repeatsRow(what, rows),
				"never ends": edited(what, (json, asked) => (isMany(asked) ? { cursor: "99", ...json } : json)),
				"gives a cursor again": edited(what, (json, asked) =>
					isMany(asked) && asked.query.has("cursor")
						? { [rows]: [{ ...list(json)[0], ...other(rows, asked) }], cursor: "2" }
						: json,
				),
				"gives more rows than asked for": edited(what, (json, asked) =>
					isMany(asked) ? { ...json, [rows]: [...list(json), ...list(json), ...list(json)] } : json,
				),
			},
		},
		single: {
			faults: {
				"has no cursor": edited(what, (json, asked) => (isSingle(asked) ? { [rows]: list(json) } : json)),
				"gives two rows": edited(what, (json, asked) =>
					isSingle(asked) ? { ...json, [rows]: [...list(json), ...list(json)] } : json,
				),
				"gives no row": edited(what, (json, asked) => (isSingle(asked) ? { ...json, [rows]: [] } : json)),
				"stays at its row": edited(what, (json, asked) => (isSingle(asked) ? { ...json, cursor: "0" } : json)),
			},
		},
		limits: {
			faults: {
				"takes 0": instead(what, ({ query }) => (query.get("limit") === "0" ? Response.json({ [rows]: [] }) : null)),
				"takes 1001": instead(what, ({ query }) =>
					query.get("limit") === "1001" ? Response.json({ [rows]: [] }) : null,
				),
				"fails of a word": instead(what, ({ query }) =>
					query.get("limit") === "many" ? new Response(null, { status: 500 }) : null,
				),
				"has a name of its own": instead(what, ({ query }) =>
					query.get("limit") === "0" ? named(400, "Bad limit") : null,
				),
			},
		},
	};
}

/** The second page begins with the first row of the first. */
function repeatsRow(what: string, rows: string): Fault {
	let first: unknown = null;
	return edited(what, (json, asked) => {
		const [row, ...others] = json[rows] as Json[];
		if (isMany(asked) && !asked.query.has("cursor")) first = row;
		return isMany(asked) && asked.query.get("cursor") === "2" ? { ...json, [rows]: [first, ...others] } : json;
	});
}

/** A row that no page has had. */
function other(rows: string, { query }: Asked): Json {
	const digit = (Number(query.get("cursor")) % 6) + 2;
	return rows === "hosts" ? { hostname: `x${digit}.example.com` } : { did: `did:plc:${String(digit).repeat(24)}` };
}

function unknownSubject(method: string, right: Json): Planted {
	const what = `GET ${method}`;
	return {
		faults: {
			"is answered as if it were known": instead(what, (asked) => (isUnknown(asked) ? Response.json(right) : null)),
			"has another name": instead(what, (asked) => (isUnknown(asked) ? named(404, "NotFound") : null)),
			"has no JSON": instead(what, (asked) => (isUnknown(asked) ? new Response("no", { status: 404 }) : null)),
		},
	};
}

function badParameter(method: string, name: string): Planted {
	const what = `GET ${method}`;
	return {
		faults: {
			"is answered as unknown": instead(what, (asked) => (isBad(asked, name) ? named(404, "NotFound") : null)),
			"has a name with spaces": instead(what, (asked) => (isBad(asked, name) ? named(400, "Bad Request") : null)),
			"fails without a body": instead(what, (asked) =>
				isBad(asked, name) ? new Response(null, { status: 500 }) : null,
			),
		},
	};
}

function badBody(method: string, bad: Record<string, Json>): Planted {
	const what = `GET ${method}`;
	const faults = Object.entries(bad).map(([name, change]) => [name, edited(what, (json) => ({ ...json, ...change }))]);
	const fails: Fault = {
		answer: (asked, right) => (asked.what === what && right.status === 200 ? named(500, "InternalServerError") : right),
	};
	return { faults: { ...Object.fromEntries(faults), fails } };
}

function inactive(method: string): Planted {
	const what = `GET ${method}`;
	return {
		faults: {
			"is given": {
				async answer(asked, right) {
					if (asked.what !== what || right.status !== 403) return right;
					return Response.json({ cid: `bafyrei${"a".repeat(52)}`, rev: "3n3a7ggddbk22" });
				},
			},
			"has no reason": {
				answer: (asked, right) => (asked.what === what && right.status === 403 ? named(403, "No") : right),
			},
		},
	};
}

/** Sends something else under every odd seq. */
function messages(change: (message: SimMessage, seq: number) => Uint8Array<ArrayBuffer> | string): Fault {
	return { send: ({ seq, message }) => [seq % 2 === 1 ? change(message, seq) : encodeFrame(message, seq)] };
}

/** Sends a message of one type with other fields, under every odd seq or under one only. */
function changed(
	type: "commit" | "sync",
	body: (message: SimMessage, samples: Sent["samples"]) => SimPayload,
	only: number | null = null,
): Fault {
	return {
		send({ seq, message, samples }) {
			if (seq !== (only ?? seq) || seq % 2 === 0) return [encodeFrame(message, seq)];
			const sample = samples[type];
			return [encodeFrame({ ...sample, body: { ...sample.body, ...body(sample, samples) } }, seq)];
		},
	};
}

/** The same with another type and fields of the header. */
function headed(header: object): Fault {
	return messages(({ type, body }, seq) => joinFrame({ op: 1, t: `#${type}`, ...header }, { ...body, seq }));
}

/** Starts connections with some cursors in another way. */
function plans(
	concerns: (cursor: string | null) => boolean,
	change: (right: Plan, lastSeq: number) => Partial<Plan>,
): Fault {
	return {
		plan: (cursor, right, lastSeq) => (concerns(cursor) ? { ...right, ...change(right, lastSeq) } : right),
	};
}

const isResume = (cursor: string | null): boolean => Number(cursor) >= OLDEST_SEQ && Number(cursor) < 1e12;
const isFuture = (cursor: string | null): boolean => Number(cursor) > 1e12;
const isZero = (cursor: string | null): boolean => cursor === "0";
const isOld = (cursor: string | null): boolean => cursor === "1";
const goLive = (_right: Plan, lastSeq: number): Plan => ({ first: [], next: lastSeq + 1, closes: false });

/** The CAR of a message with another block at its end, of some bytes. */
function longer({ body }: SimMessage, bytes: number): SimPayload {
	const block = encode("x".repeat(bytes));
	const section = Buffer.concat([cidBytes(cidOf(block)), block]);
	const length: number[] = [];
	for (let left = section.length; left > 0; left = Math.floor(left / 128))
		length.push((left % 128) + (left >= 128 ? 128 : 0));
	return { blocks: toBytes(Buffer.concat([fromBytes(body.blocks as Bytes), Uint8Array.from(length), section])) };
}

const hosts = listing("listHosts", "hosts", {
	"a row has no name": { hostname: undefined },
	"a status is unknown": { status: "asleep" },
	"a count is a text": { accountCount: "5" },
});
const repos = listing("listRepos", "repos", {
	"a row has no DID": { did: "nobody" },
	"a head is no CID": { head: "x" },
	"a rev is no TID": { rev: "1" },
});

const errorFrame = (name: string): Uint8Array<ArrayBuffer> => encodeErrorFrame(name, "no");

/** How the rule of each check can be broken. */
export const PLANTED: Readonly<Record<CheckName, Planted>> = {
	health: {
		faults: {
			fails: instead("GET /xrpc/_health", () => named(500, "Down")),
			"has no JSON": instead("GET /xrpc/_health", () => new Response("ok", { headers: { Server: "atproto-relay" } })),
		},
		mayFail: ["server"],
	},
	server: { faults: { "has another name": answered((headers) => headers.set("Server", "nginx")) } },
	cors: {
		faults: {
			"is not there": answered((headers, { what }) =>
				what === "GET listHosts" ? headers.delete("Access-Control-Allow-Origin") : null,
			),
			"allows one origin": answered((headers, { what }) =>
				what.includes("noSuch") ? headers.set("Access-Control-Allow-Origin", "https://example.com") : null,
			),
		},
	},
	"cors-preflight": {
		faults: {
			"is refused": answeredWith("OPTIONS listHosts", () => named(405, "MethodNotAllowed")),
			"allows no header": answered((headers, { what }) =>
				what === "OPTIONS listHosts" ? headers.delete("Access-Control-Allow-Headers") : null,
			),
		},
	},
	"unknown-method": {
		faults: {
			"has a name with spaces": answeredWith("GET /xrpc/com.example.noSuchMethod", () => named(404, "Not Found")),
			"is answered": answeredWith("GET /xrpc/com.example.noSuchMethod", () =>
				Response.json({}, { headers: { "Access-Control-Allow-Origin": "*" } }),
			),
			"has no body": answeredWith(
				"GET /xrpc/com.example.noSuchMethod",
				() => new Response(null, { status: 404, headers: { "Access-Control-Allow-Origin": "*" } }),
			),
		},
	},
	"request-crawl-refusals": {
		faults: Object.fromEntries(
			["{}", "127.0.0.1", "[::1]", "localhost", '"pds"'].map((part) => [
				`accepts ${part}`,
				instead("POST requestCrawl", ({ body }) => (body.includes(part) ? new Response() : null)),
			]),
		),
	},
	"list-hosts": hosts.rows,
	"list-hosts-pages": hosts.pages,
	"list-hosts-single": hosts.single,
	"list-hosts-limits": hosts.limits,
	"list-repos": repos.rows,
	"list-repos-pages": repos.pages,
	"list-repos-single": repos.single,
	"list-repos-limits": repos.limits,
	"host-status": badBody("getHostStatus", {
		"is of another host": { hostname: "z.example.com" },
		"has an odd status": { status: 1 },
	}),
	"host-status-unknown": unknownSubject("getHostStatus", { hostname: "no-such-host.invalid" }),
	"host-status-parameters": badParameter("getHostStatus", "hostname"),
	"repo-status": badBody("getRepoStatus", {
		"is of another repo": { did: "did:plc:zzzzzzzzzzzzzzzzzzzzzzzz" },
		"does not say active": { active: undefined },
		"is inactive for no reason": { active: false },
	}),
	"repo-status-unknown": unknownSubject("getRepoStatus", { did: "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa", active: true }),
	"repo-status-parameters": badParameter("getRepoStatus", "did"),
	"latest-commit": badBody("getLatestCommit", {
		"is older than listed": { rev: "2222222222222" },
		"has a rev that is none": { rev: "new" },
		"has a CID that is none": { cid: "b" },
	}),
	"latest-commit-unknown": unknownSubject("getLatestCommit", { cid: "b", rev: "r" }),
	"latest-commit-parameters": badParameter("getLatestCommit", "did"),
	"latest-commit-inactive": inactive("getLatestCommit"),
	"get-repo": {
		faults: {
			"leads elsewhere": redirect("https://pds.example.com/"),
			"loses the query": redirect("https://pds.example.com/xrpc/com.atproto.sync.getRepo"),
			fails: {
				answer: ({ what }, right) =>
					what === "GET getRepo" && right.status === 302 ? named(404, "RepoNotFound") : right,
			},
		},
	},
	"get-repo-unknown": unknownSubject("getRepo", {}),
	"get-repo-parameters": badParameter("getRepo", "did"),
	"get-repo-inactive": inactive("getRepo"),
	"stream-opens": { faults: { "is refused": { refuse: () => 503 } } },
	"stream-server": { faults: { "has another name": { streamServer: "nginx" } } },
	"stream-binary": { faults: { "has texts": { send: ({ seq, message }) => ["{}", encodeFrame(message, seq)] } } },
	"stream-frames": {
		faults: {
			"has bytes after the payload": messages((message, seq) =>
				Buffer.concat([encodeFrame(message, seq), Uint8Array.of(0)]),
			),
			"is cut off": messages((message, seq) => new Uint8Array(encodeFrame(message, seq).subarray(0, -1))),
			"is empty": messages(() => new Uint8Array()),
			"has a header with more fields": headed({ more: true }),
			"has no op": headed({ op: "1" }),
			"has no seq": messages(({ type, body }) => joinFrame({ op: 1, t: `#${type}` }, body)),
			"is not canonical": messages(
				(message, seq) =>
					new Uint8Array(Buffer.concat([Uint8Array.of(0xb8, 2), encodeFrame(message, seq).subarray(1)])),
			),
			"lacks a field": changed("commit", () => ({ blobs: undefined })),
			"has a field of null": changed("commit", () => ({ prevData: null })),
		},
	},
	"stream-types": { faults: { "are of the past": headed({ t: "#tombstone" }), "have another op": headed({ op: 7 }) } },
	"stream-blocks": {
		faults: {
			"are empty": changed("commit", () => ({ blocks: toBytes(new Uint8Array()) })),
			"are those of another message": changed("commit", (_, { sync }) => ({ blocks: sync.body.blocks })),
			"belong to another rev": changed("commit", () => ({ rev: "3zzzzzzzzzzzz" })),
			"belong to another account": changed("sync", () => ({ did: "did:plc:zzzzzzzzzzzzzzzzzzzzzzzz" })),
			"have another commit": changed("commit", () => ({ commit: cidOf(new Uint8Array(1)) })),
		},
	},
	"stream-limits": {
		faults: {
			"has 201 ops": changed("commit", ({ body }) => ({
				ops: Array.from({ length: 201 }, () => (body.ops as unknown[])[0] ?? {}),
			})),
			"has long blocks": changed("commit", (message) => longer(message, 2_000_000), SEEN_SEQ),
			"has a long sync": changed("sync", (message) => longer(message, 10_000), SEEN_SEQ),
			"has a long frame": changed("commit", () => ({ padding: "x".repeat(5_000_000) }), SEEN_SEQ),
		},
	},
	"stream-order": {
		faults: {
			"gives messages twice": { send: ({ seq, message }) => [encodeFrame(message, seq), encodeFrame(message, seq)] },
			"goes back": { send: ({ seq, message }) => [encodeFrame(message, seq % 2 === 1 ? seq - 2 : seq)] },
		},
		mayFail: ["stream-resume", "stream-same-frames", "stream-live", "stream-cursor-zero", "stream-outdated-cursor"],
	},
	"stream-live": {
		faults: {
			"begins with the oldest": plans(
				(cursor) => cursor === null,
				() => ({ next: OLDEST_SEQ }),
			),
		},
	},
	"stream-resume": {
		faults: {
			"includes the cursor": plans(isResume, ({ next }) => ({ next: next - 1 })),
			"leaves out the next": plans(isResume, ({ next }) => ({ next: next + 1 })),
			"begins with the oldest": plans(isResume, () => ({ next: OLDEST_SEQ })),
			"says that it is in the future": plans(isResume, () => ({ first: [errorFrame("FutureCursor")], closes: true })),
			"is closed": plans(isResume, () => ({ closes: true })),
			"loses the first live message": {
				send: ({ seq, message, cursor, joinedAt }) =>
					isResume(cursor) && seq === joinedAt + 1 ? [] : [encodeFrame(message, seq)],
			},
		},
	},
	"stream-same-frames": {
		faults: {
			"has another time": {
				send: ({ seq, message, cursor }) => [
					encodeFrame(
						isResume(cursor) ? { ...message, body: { ...message.body, time: "2026-01-01T00:00:00.000Z" } } : message,
						seq,
					),
				],
			},
			"is of another message": {
				send: ({ seq, message, cursor, samples }) => [encodeFrame(isResume(cursor) ? samples.sync : message, seq)],
			},
		},
	},
	"stream-cursor-zero": {
		faults: {
			"begins with what is new": plans(isZero, goLive),
			"is refused": plans(isZero, () => ({ first: [errorFrame("FutureCursor")], closes: true })),
			"is closed": plans(isZero, () => ({ closes: true })),
		},
	},
	"stream-outdated-cursor": {
		faults: {
			"says nothing": plans(isOld, () => ({ first: [] })),
			"has another name": plans(isOld, () => ({ first: [encodeInfoFrame("Outdated", "no")] })),
			"is closed": plans(isOld, () => ({ first: [encodeInfoFrame("OutdatedCursor", "no")], closes: true })),
			"says it too late": {
				plan: (cursor, right) => (isOld(cursor) ? { ...right, first: [] } : right),
				send: ({ seq, message, cursor }) => [
					encodeFrame(message, seq),
					...(isOld(cursor) ? [encodeInfoFrame("OutdatedCursor", "no")] : []),
				],
			},
		},
	},
	"stream-future-cursor": {
		faults: {
			"goes live": plans(isFuture, goLive),
			"has another name": plans(isFuture, () => ({ first: [errorFrame("InvalidCursor")] })),
			"is closed": plans(isFuture, () => ({ first: [] })),
			"begins with the oldest": plans(isFuture, () => ({ first: [], next: OLDEST_SEQ, closes: false })),
		},
	},
	"stream-error-closes": {
		faults: { "goes on": plans(isFuture, ({ first }, lastSeq) => ({ first, next: lastSeq + 1, closes: false })) },
	},
	"stream-cursor-malformed": {
		faults: {
			"goes live": {
				refuse: () => null,
				plan: (cursor, right, lastSeq) => (Number(cursor) >= 0 ? right : goLive(right, lastSeq)),
			},
			fails: { refuse: (cursor) => (cursor === null || Number(cursor) >= 0 ? null : 500) },
			"has the error of another fault": {
				refuse: () => null,
				plan: (cursor, right) =>
					Number(cursor) >= 0 ? right : { first: [errorFrame("FutureCursor")], next: 0, closes: true },
			},
		},
	},
};
