import { afterAll, beforeAll, expect, test } from "bun:test";
import type { SentMessage } from "../../src/sim/network.ts";
import { STAGES } from "../../src/tracing/spans.ts";
import { OtlpReceiver, type ReceivedSpan, valuesOf } from "./otlp-receiver.ts";
import { RelayRig, until } from "./rig.ts";

let receiver: OtlpReceiver;
let rig: RelayRig;

beforeAll(async () => {
	receiver = new OtlpReceiver();
	rig = await RelayRig.start(
		{ seed: "tracing", hosts: 2, accounts: 4 },
		{
			OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
			OTEL_TRACES_SAMPLER_ARG: "1",
			OTEL_SERVICE_NAME: "the relay of the test",
			RELAY_INGEST_WORKERS: "2",
		},
	);
});

afterAll(async () => {
	await rig.stop();
	await receiver.stop();
});

/** The spans of a message, by stage. Waits for the first one, which comes with all others. */
async function traceOf({ did, hostSeq }: SentMessage): Promise<Map<string, ReceivedSpan>> {
	let whole: ReceivedSpan | undefined;
	await until(() => {
		whole = receiver.spans.find(({ name, attributes }) => {
			const values = valuesOf(attributes);
			return name === "message" && values["standpipe.did"] === did && values["standpipe.upstream_seq"] === hostSeq;
		});
		return whole !== undefined;
	});
	return new Map(receiver.spans.filter((span) => span.traceId === whole?.traceId).map((span) => [span.name, span]));
}

/** When a span began and ended, in nanoseconds since 1970. */
function nanosOf(span: ReceivedSpan | undefined): { began: bigint; ended: bigint } {
	return { began: BigInt(span?.startTimeUnixNano ?? 0), ended: BigInt(span?.endTimeUnixNano ?? 0) };
}

test("each message that passed has all stages, with its ids, its places in the log and its times in order", async () => {
	const sent: SentMessage[] = [];
	for (let round = 0; round < 3; round++)
		for (const account of rig.network.accounts) sent.push(rig.network.send(account, await account.commit()));
	await until(() => rig.consumer.events.length >= sent.length);
	for (const message of sent) {
		const trace = await traceOf(message);
		const whole = trace.get("message");
		const { "standpipe.lsn": lsn, "standpipe.seq": seq, ...values } = valuesOf(whole?.attributes ?? []);
		const event = rig.consumer.events.find(({ did, rev }) => did === message.did && rev === message.rev);
		expect(seq).toBe(event?.seq ?? 0);
		expect(lsn).toBeGreaterThanOrEqual(Number(seq));
		expect(values).toMatchObject({ "standpipe.kind": "commit", "standpipe.host": message.host.hostname });
		expect(whole).toMatchObject({ kind: 5, status: { code: 0 } });
		// The identity is looked up for the first message of an account only.
		trace.delete("identity");
		expect([...trace.keys()].sort()).toEqual(STAGES.filter((stage) => stage !== "identity").sort());
		const ids = new Set([...trace.values()].map(({ spanId }) => spanId));
		expect(ids.size).toBe(trace.size);
		const all = nanosOf(whole);
		for (const span of trace.values()) {
			const { began, ended } = nanosOf(span);
			expect(began >= all.began && began <= ended && ended <= all.ended).toBe(true);
			if (span !== whole)
				expect(span.parentSpanId).toBe(trace.get(span.name === "verify" ? "admit" : "message")?.spanId ?? "");
		}
		const [receive, admit, verify, append, sync, index] = ["receive", "admit", "verify", "append", "sync", "index"].map(
			(stage) => nanosOf(trace.get(stage)),
		);
		if (!receive || !admit || !verify || !append || !sync || !index) throw new Error("a stage is missing");
		expect(receive.ended).toBe(admit.began);
		expect(verify.began >= admit.began && verify.ended <= admit.ended).toBe(true);
		expect(sync.began).toBe(append.began);
		expect(sync.ended >= append.ended).toBe(true);
	}
	expect(receiver.services).toEqual(new Set(["the relay of the test"]));
	expect(new Set(receiver.requests)).toEqual(new Set(["/v1/traces application/json"]));
});

test("a rejected message has its reason, and no stage after its admission", async () => {
	const [account] = rig.network.accounts;
	if (account === undefined) throw new Error("the network has no account");
	const stale = await account.commit();
	const good = rig.network.send(account, await account.commit());
	await traceOf(good);
	const rejected = rig.network.send(account, stale, "rev-stale");
	const trace = await traceOf(rejected);
	expect([...trace.keys()].sort()).toEqual(["admit", "message", "receive"]);
	const whole = trace.get("message");
	expect(whole?.status).toEqual({ code: 2, message: "rev-stale" });
	expect(valuesOf(whole?.attributes ?? [])).toMatchObject({ "standpipe.rejection": "rev-stale" });
});

test("a receiver that fails costs no message, and is counted; later spans arrive", async () => {
	const [account] = rig.network.accounts;
	if (account === undefined) throw new Error("the network has no account");
	receiver.isFailing = true;
	const before = rig.consumer.events.length;
	for (let message = 0; message < 5; message++) rig.network.send(account, await account.commit());
	await until(() => rig.consumer.events.length === before + 5);
	await until(async () => (await rig.stats()).counters.of("trace_exports_failed_total") > 0);
	receiver.isFailing = false;
	await traceOf(rig.network.send(account, await account.commit()));
	const { counters } = await rig.stats();
	expect(counters.of("trace_spans_dropped_total")).toBeGreaterThan(0);
	expect(counters.of("trace_spans_exported_total")).toBeGreaterThan(0);
	expect(counters.of("trace_notes_dropped_total")).toBe(0);
});
