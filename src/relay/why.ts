import { NO_HOST } from "../account/state.ts";
import type { ControlResult } from "../control/answer.ts";
import type { ControlView, HostWorkerView, LastRejection, Told, WhyQuestion, WorkerView } from "../control/why.ts";
import type { HostManager } from "../hosts/manager.ts";
import type { IngestService } from "../ingest/ingest.ts";
import type { Requests, Unanswered } from "../runtime/requests.ts";
import { workerOf } from "../runtime/worker-of.ts";
import { merged } from "./failures.ts";
import { at } from "./shared-memory.ts";

/** How long a worker may take to tell what it knows. Two are asked in turn, and whoever asked us waits for less than two seconds. */
const WORKER_MS_MAX = 600;

/** Asks an ingest worker. */
type Worker = { readonly requests: Pick<Requests<IngestService>, "request"> };

export type KnownHosts = Pick<HostManager, "viewOf" | "hostIdOf" | "hostnameOf">;

/**
 * What the control thread and the ingest workers know of an account or a host. A worker that does not answer in time is not waited
 * for: then its part is not told.
 */
export async function whyOf(
	{ did, hostname, hostId }: WhyQuestion,
	hosts: KnownHosts,
	ingest: readonly Worker[],
	logStall: string | null,
): Promise<ControlResult<{ view: ControlView }>> {
	const candidates = [hostId, hostname === null ? null : hosts.hostIdOf(hostname)].filter((id) => id !== null);
	const worker = did === null ? null : await askAccount(did, candidates, ingest);
	const known = worker !== null && "told" in worker ? worker.told : null;
	const accountHost = nameOf(known?.account?.host ?? hostId, hosts);
	const sender = known?.identity?.pdsHost ?? hostname ?? accountHost ?? known?.rejections[0]?.hostname ?? null;
	const id = sender === null ? null : hosts.hostIdOf(sender);
	const ofHost = id === null || sender === null ? NOTHING : await askHost(id, sender, did, ingest);
	const host = sender === null ? null : hosts.viewOf(sender);
	return { ok: true, view: { hostname: sender, host, accountHost, worker, ...ofHost, logStall } };
}

const NOTHING = { delays: { told: null }, hostRejection: { told: null }, hostFailures: { told: [] } };

function nameOf(hostId: number | null, hosts: KnownHosts): string | null {
	return hostId === null || hostId === NO_HOST ? null : hosts.hostnameOf(hostId);
}

async function askAccount(
	did: string,
	hostIds: readonly number[],
	ingest: readonly Worker[],
): Promise<Told<WorkerView>> {
	const worker = at(ingest, workerOf(did, ingest.length));
	const reply = await worker.requests.request("whyAccount", [did, hostIds], { timeoutMs: WORKER_MS_MAX });
	return reply.answered ? { told: reply.answer } : { untold: reasonOf(reply.why) };
}

/** The worker that follows the host tells what waits; all tell which message of it they rejected last. */
async function askHost(
	hostId: number,
	hostname: string,
	did: string | null,
	ingest: readonly Worker[],
): Promise<Pick<ControlView, "delays" | "hostRejection" | "hostFailures">> {
	const replies = await Promise.all(
		ingest.map(({ requests }) => requests.request("whyHost", [hostId, did], { timeoutMs: WORKER_MS_MAX })),
	);
	const told = replies.map((reply): Told<HostWorkerView> => {
		return reply.answered ? { told: reply.answer } : { untold: reasonOf(reply.why) };
	});
	const own = at(told, workerOf(hostname, ingest.length));
	return { delays: "told" in own ? { told: own.told.delays } : own, hostRejection: lastOf(told), ...countsOf(told) };
}

function lastOf(views: readonly Told<HostWorkerView>[]): Told<LastRejection | null> {
	let last: LastRejection | null = null;
	for (const view of views) {
		if ("untold" in view) return view;
		const { rejection } = view.told;
		if (rejection !== null && rejection.atMs > (last?.atMs ?? Number.NEGATIVE_INFINITY)) last = rejection;
	}
	return { told: last };
}

function countsOf(views: readonly Told<HostWorkerView>[]): Pick<ControlView, "hostFailures"> {
	const untold = views.find((view) => "untold" in view);
	if (untold !== undefined) return { hostFailures: untold };
	return { hostFailures: { told: merged(views.flatMap((view) => ("told" in view ? view.told.failures : []))) } };
}

function reasonOf(why: Unanswered): string {
	return why === "failed"
		? "a part of the relay has failed to answer"
		: "a part of the relay is busy and does not answer";
}
